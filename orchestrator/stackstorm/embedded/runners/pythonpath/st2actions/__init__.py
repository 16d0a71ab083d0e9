"""The part of st2actions that pack code imports."""
