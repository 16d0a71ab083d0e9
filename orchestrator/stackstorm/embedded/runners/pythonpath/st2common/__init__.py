"""The part of st2common that pack code imports."""
