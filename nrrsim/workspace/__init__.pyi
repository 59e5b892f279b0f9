from .new import new_template as new_template
from .new import new_workspace as new_workspace
from .next import next_card as next_card
