from .plan import read_plan as read_plan
from .scenario import Scenario as Scenario
from .scenario import read_scenario as read_scenario
