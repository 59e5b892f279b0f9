from .say import say as say
