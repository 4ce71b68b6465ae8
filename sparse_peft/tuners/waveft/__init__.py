"""WaveFT: a few wavelet coefficients of the update, as a PEFT tuner."""
