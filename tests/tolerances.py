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
# One step of an 8-bit image, in 0..1: what rounding once or twice on different ways to the same image may differ by.
GREY_LEVEL = 1.01 / 255
# The centroid of a blob of a pixel or two: where the lens changes the scale by 7 %, bilinear interpolation moves it by up to
# 0.035 px, this way here and that way there. A half-pixel slip moves it by 0.25 px or more.
BLOB_CENTRE_PX = 0.05
# Undistorting after rather than before the reduction: interpolation at half the resolution, on slopes of 3 levels a pixel,
REDUCED_FIRST_SMOOTH = 1.5 / 255
# on average over a real photograph with all its edges,
REDUCED_FIRST_MEAN = 1.0 / 255
# and as a shift of the whole picture.
REDUCED_FIRST_SHIFT_PX = 0.005
# Numbers of text files through float32: 24 bits of mantissa, and one subtraction from 1.
FLOAT32 = 2e-7
# Texture against photograph at the centroids of all faces that look at the camera: 0.85 measured, 0.03 if v is flipped.
PHOTOGRAPH_CORRELATION = 0.6
# Logarithms of rotations within 1e-7 of π, with translations of 100 m beside them: V is solved for at its worst conditioned.
NEAR_PI = 1e-7
# The centroid of a wide smooth blob in float32, averaged or smoothed without any interpolation.
CENTROID_PX = 2e-3
# Points near 10 moved by a product of two poses in float64 and kept as float32, or in another order of operations.
FLOAT32_POSE = 2e-6
# What texture coordinates may stick out of 0..1 and count as inside: a tenth of a texel of the largest texture.
UV_SLACK = 7e-6
# A flat colour through JPEG at quality 90: the colour transform and quantisation of its mean.
JPEG = 4
# Entries of a covariance of 200,000 samples over the product of the standard deviations: 1 / sqrt(200000), five times, and the
# first order of the rotation.
SAMPLED_COVARIANCE = 0.012
# A lens fitted to another lens formula: 0.0075 px at the worst pixel of a D455; a swapped or missing coefficient costs 0.3 px.
FITTED_LENS_PX = 0.02
# Depth of a face through float32 here and in Embree: 3e-6 measured on kitchen and castle.
DEPTH_SHARE = 2e-5
# Two faces whose depths differ by less share an edge or lie on one another: either may be named.
SAME_DEPTH_SHARE = 1e-4
# Points put together from float32 weights of corners that are up to 6 m apart.
WEIGHED_POINT_M = 5e-6
# Pixels whose centre lies on an edge so closely that rounding decides: 1 of 77,000 measured.
OTHER_FACE_SHARE = 1e-3
# Where a lookup falls on a texture, through float32: 1e-5 of a texel between neighbours that differ by at most 1.
FLOAT32_TEXEL = 1e-4
# A coarser level of a texture is rounded once to 8 bits.
LEVEL_ROUNDING = 0.51 / 255
# Cosines from float32 vertices a few centimetres apart.
NORMAL = 1e-4
# A fused kernel and its slow twin: sums of some hundred products of float64 in another order.
TWIN = 1e-9
# The same sums over lookups in float32: 3e-6 of the largest entry measured, where the products of a gradient nearly cancel.
FLOAT32_SUM = 1e-5
# 1.4826 for 1 / 0.674490.
MAD_CONSTANT = 1e-5
# Where least squares end that are stopped at a relative fall of the cost of 1e-14: its root, times a few.
SOLVED = 1e-6
# Variances as differences of float32 means of squares, divided by deviations of 0.02 and more.
LOCAL_NORMALISATION = 2e-4
# Points of a keyframe behind the centres of its pixels: float32 depths, float64 else.
PICKED_PX = 1e-3
# Where the smoothed distance of a region of whole pixels says that a circle runs: 0.5 px of staircase at the worst pixel.
OUTLINE_PX = 0.6
# OpenCV's 5 × 5 distance transform errs by up to 2 %, so at 40 px it may name another pixel of the rim: 0.7 px further measured.
NEAREST_PX = 1.0
# Entries of a covariance of 800 fits of 30 clusters: 1 / sqrt(400), twice, and what 30 clusters are biased by.
SAMPLED_CLUSTERS = 0.15
# A lump of 1.8 m from 5 m in 240 pixels, whose mask errs by 0.05 px: 0.04 to 0.16° and 0.0007 to 0.0025 of the distance measured.
LUMP_DEG = 0.3
LUMP_SHARE = 0.005
# Two cameras of 320 and 240 pixels in the made-up room, noisy and blurred, at the worst frame: 0.26 cm and 0.04° measured.
RIG_CM = 1.0
RIG_DEG = 0.15
# The painted corner from 2.5 m at 160 × 120, where a pixel is 19 mm: up to 0.8 mm on intensities and 1.8 mm normalised measured.
CORNER_INTENSITY_M = 1.5e-3
CORNER_LOCAL_M = 3e-3
CORNER_DEG = 0.05
# Depths of PyTorch3D's float32 rasteriser, which interpolates where ours inverts: 2e-6 measured.
PYTORCH3D_DEPTH = 1e-4
# Its pictures against ours, as a share of the contrast: one level of the texture for all pixels costs up to 0.102.
PYTORCH3D_COLOUR = 0.15
# Derivatives by the pose, all in float32, over the largest of them.
PYTORCH3D_GRADIENT = 1e-3
# A soft triangle by PyTorch3D's SoftSilhouetteShader and by us, in float32,
PYTORCH3D_SILHOUETTE = 2e-3
# and its derivatives by the pose, over the largest.
PYTORCH3D_SILHOUETTE_GRADIENT = 1e-2
# Entries of a correlation matrix of 4,000 samples: 1 / sqrt(4000), five times, and the first order of the motion.
SAMPLED_MOTION = 0.09
# Kitchen on every third frame under a disturbance, against limits for every frame: other frames, steps three times as long; the
# medians of 100 errors scatter by a tenth, and a frame is a whole percent.
EVERY_THIRD_MEDIAN = 1.25
EVERY_THIRD_SHARE = 0.03
# Corners of a board as drawn, without any blur: 0.18 measured with ChArUco; a slip of half a pixel is what must show.
BOARD_PRINT_PX = 0.25
# Corners of a board in a rendered photograph, root mean square: 0.05 (chessboard) and 0.12 (ChArUco) measured at other poses.
BOARD_CORNER_PX = 0.25
# What a calibration from 16 rendered photographs must give: issue 3 asks for 0.5 %, 1 to 2 px and 0.3 px.
BOARD_FOCAL = 0.005
BOARD_PRINCIPAL_PX = 1.0
BOARD_REPROJECTION_PX = 0.3
# Points through a dataset's poses and lens, in pixels: poses become quaternions and are interpolated; some are text of 16 digits.
DATASET_PX = 1e-6
# Colours where one renderer takes the texture level once for a run of pixels and the other at each, on average: 2e-4 measured.
LEVEL_ALONG_A_RUN = 1e-3
# The painted corner against its formula at 80 × 60: texels of 8 bits, mixed from two levels; half a texel off costs 0.01.
SHADED_CORNER = 6e-3
# Derivatives of a picture by the pose, of which one goes through float32 depths, over the largest of them.
DIFFERENTIATED_TEXTURE = 1e-4
# First-order descent, 300 steps, on the painted corner at 80 × 60, where a pixel is 38 mm and 0.9°: 5 mm and 0.11° measured.
ADAM_CORNER_M = 8e-3
ADAM_CORNER_DEG = 0.2
# Sums of central differences of a picture against those of its texture's own slope, over the largest.
CENTRAL_DIFFERENCES = 0.02
# The made-up recording cut in two, and whole: a piece has keyframes of its own, whose bias is what the error against the truth is
# (1 to 2 mm, 0.04°). 1.8 mm and 0.04° measured over 8 frames, 2.3 mm and 0.05° over 24.
CUT_M = 4e-3
CUT_DEG = 0.1
# Motions of ten micrometres, in units of one: their products, by which SE(3) is curved there, are a hundred thousandth of them.
TINY_MOTION = 5e-5
# The last frame of a smoother has seen what the filter had, but is linearised about the smoothed path: 2e-5 measured.
LINEARISED = 1 + 1e-4
# Quotients of sums over float32 pixels, whose differences lose digits.
FLOAT32_RATIO = 1e-5
# A steady motion of 0.3 m and 0.4 rad in half a second that nobody sees, by a model that forgets its velocity meanwhile: what
# comes after the gap mends most of it. 0.26 mm or mrad measured.
FADED_GAP = 5e-4
# A soft triangle in float32 against OpenCV's signed distances, also in float32: σ's slope is at most 0.7 a pixel here.
SOFT_TRIANGLE = 2e-3
# The area under a soft outline: what its curvature and small folds leave uneven. 0.2 % measured; a rim of 0.1 px is 1.1 %.
SOFT_AREA = 0.01
# What a pixel of a soft silhouette jumps by where another edge becomes the nearest: 0.0064 measured.
SOFT_SWITCH = 0.01
# Derivatives of a soft silhouette by central differences in float64, over the largest: steps of 1e-5, curvature of a few pixels.
SOFT_GRADIENT = 1e-4
# First-order descent on the lump's mask at 240 pixels, from 5°: 0.32° and 0.0053 of the distance measured, up to 0.73° from 10°.
ADAM_LUMP_DEG = 0.6
ADAM_LUMP_SHARE = 0.01
# The covariance of a way within milliseconds: the next term of its series is 1e-7 of it, and the matrix exponential that it is
# held against loses as many digits.
SHORT_TIME = 1e-6
# A steady velocity, seen thirty times a second by a filter that forgets it with a time constant of half a second: each time a
# fifteenth is forgotten and nearly all of that learnt again. 1.9 % too slow measured.
FORGETFUL = 0.03
# The median of six poses of the made-up room at 160 × 120 pixels from images blurred by 11 px: 0.15 cm measured.
BLURRED_ROOM_CM = 0.35
