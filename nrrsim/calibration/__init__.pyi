from .backtest import Backtest as Backtest
from .backtest import backtest as backtest
from .calibrate import Calibration as Calibration
from .calibrate import calibrate as calibrate
