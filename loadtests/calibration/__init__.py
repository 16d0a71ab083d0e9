"""Whether predictions of first retries mean what they say: the figures of `bench calibration`."""
