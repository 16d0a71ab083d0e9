"""How like one prompt is to another, by what a worker made of them; no text of a prompt comes here."""

from orchestrator.similarity.rules import NEAR_DUPLICATE as NEAR_DUPLICATE
from orchestrator.similarity.rules import Rules as Rules
from orchestrator.similarity.vectors import cosine as cosine
from orchestrator.similarity.vectors import direction as direction
from orchestrator.similarity.window import Match as Match
from orchestrator.similarity.window import Window as Window
