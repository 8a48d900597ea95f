"""System checks of the setting ALTR."""
