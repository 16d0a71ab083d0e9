"""The part of st2actions.runners that pack code imports."""
