"""How the calibration kit was drawn and the likelihood fitted."""
