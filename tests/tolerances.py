"""The one table of tolerances: every number that a test compares with stands here with its reason."""

# Algebra in float64: a few hundred operations on numbers near 1.
ALGEBRA = 1e-10
# Central finite differences in float64 with steps near 1e-6: truncation and rounding both near 1e-9, scaled by curvature.
FINITE_DIFFERENCE = 1e-6
# Pixels through float32: positions near 1000 px with 24 bits of mantissa.
FLOAT32_PX = 1e-3
# A lens inverted by iteration, on the plane z = 1: accepted at 1e-9 and converging by squares, so almost always near rounding.
LENS_INVERSE = 1e-9
# Poses in text files are written with nine decimals.
TUM_DECIMALS = 1e-9
# evo reads the same files with nine decimals, but goes through rotation matrices; metres and degrees.
EVO = 1e-6
# A grey value in 0..255 rounded to the nearest integer, and a little for cv2's fixed-point area weights.
GREY_ROUNDING = 0.51
# The mean of 4,000 or more rounded grey values: 0.29 / sqrt(4000), five times; rounding up would show as 0.12 a level.
GREY_MEAN = 0.025
# Durations are counted in bins that are 1 % wide; the middle of one is at most half of that away.
HISTOGRAM = 0.0051
# Intensities in 0..1 through a few float32 operations.
FLOAT32_INTENSITY = 1e-6
