"""The part of st2common.services that pack code imports."""
