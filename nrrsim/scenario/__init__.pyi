from .scenario import Scenario as Scenario
from .scenario import read_scenario as read_scenario
