from .backtest import Backtest as Backtest
from .backtest import backtest as backtest
from .calibrate import Calibration as Calibration
from .calibrate import calibrate as calibrate
from .priors import Prior as Prior
from .priors import evidence as evidence
from .priors import learn_prior as learn_prior
from .priors import read_prior as read_prior
