from .render import render as render
