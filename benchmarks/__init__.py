"""Speed and calibration: ``python -m benchmarks [NAME …]`` measures how fast fuzzconv is, as ratios.

Every figure is taken in the same run as the naive loop (``naive.py``) it is compared with.
"""
