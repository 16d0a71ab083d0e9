"""The part of st2common.runners that pack code imports."""
