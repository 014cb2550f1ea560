"""What networks of Keras are made of: the names of its own parts, Keras 2 and Keras 3 together.

Written down by hand (Keras 3.15, tf_keras 2.21), so that what a later release adds is refused until
somebody has looked at it. Left out on purpose is what holds Python code (Lambda, the wrappers of other
libraries' modules) or reads other files (TFSMLayer, lookups of text).
"""

from __future__ import annotations

from typing import Final

_MODELS = "Sequential Functional Model"

_LAYERS = """
Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add
AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D
AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate
ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D CustomScaleLayer CutMix Dense
DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Equalization
Flatten GRU GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization
GroupQueryAttention GroupedQueryAttention HashedCrossing Hashing Identity InputLayer InputSpec LSTM
LayerNormalization LayerScale LeakyReLU LocallyConnected1D LocallyConnected2D Masking
MaxNumBoundingBoxes MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp
MultiHeadAttention Multiply Normalization PReLU Permute Pipeline RMSNormalization RNN RandAugment
RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
RandomElasticTransform RandomErasing RandomFlip RandomFourierFeatures RandomGaussianBlur
RandomGrayscale RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization
RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom
ReLU RepeatVector Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D
SeparableConv2D SimpleRNN Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D
SpectralNormalization StochasticDepth Subtract SyncBatchNormalization ThresholdedReLU TimeDistributed
UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
AvgPool1D AvgPool2D AvgPool3D Convolution1D Convolution1DTranspose Convolution2D
Convolution2DTranspose Convolution3D Convolution3DTranspose GlobalAvgPool1D GlobalAvgPool2D
GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D MaxPool1D MaxPool2D MaxPool3D
SeparableConvolution1D SeparableConvolution2D TensorFlowOpLayer TFOpLambda SlicingOpLambda
BatchNormalizationV1 BatchNormalizationV2 CuDNNGRU CuDNNLSTM GRUV1 GRUV2 LSTMV1 LSTMV2
"""

_CELLS = "GRUCell LSTMCell SimpleRNNCell StackedRNNCells ConvLSTMCell GRUCellV2 LSTMCellV2"

_INITIALIZERS = """
Constant GlorotNormal GlorotUniform HeNormal HeUniform IdentityInitializer LecunNormal LecunUniform
Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT STFTInitializer TruncatedNormal
VarianceScaling Zeros
constant glorot_normal glorot_uniform he_normal he_uniform identity lecun_normal lecun_uniform ones
orthogonal random_normal random_uniform stft truncated_normal variance_scaling zeros
"""

_REGULARIZERS = "L1 L1L2 L2 OrthogonalRegularizer l1 l1_l2 l2 orthogonal_regularizer"

_CONSTRAINTS = """
MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm max_norm min_max_norm non_neg radial_constraint
unit_norm
"""

_POLICIES = """
DTypePolicy DTypePolicyMap FloatDTypePolicy QuantizedDTypePolicy QuantizedFloat8DTypePolicy
Int4DTypePolicy GPTQDTypePolicy AWQDTypePolicy Policy PolicyV1
AbsMaxQuantizer Int8QuantizationConfig Int4QuantizationConfig Float8QuantizationConfig GPTQConfig
AWQConfig
"""

_FUNCTIONS = """
celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear
log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign
sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
abs_max_quantize
"""

# How Keras writes down what is no object of its own: tensors, arrays, slices, tuples.
_VALUES = """
__keras_tensor__ __tensor__ __numpy__ __bytes__ __ellipsis__ __slice__ __tuple__ TensorShape
"""

_CLASSES = (_MODELS, _LAYERS, _CELLS, _INITIALIZERS, _REGULARIZERS, _CONSTRAINTS, _POLICIES)

CLASSES: Final = frozenset(name for names in _CLASSES for name in names.split())
"""Names of classes."""

LAYERS: Final = frozenset(f"{_LAYERS} {_CELLS}".split())
"""Names of classes of layers, and of cells in them."""

FUNCTIONS: Final = frozenset(_FUNCTIONS.split())
"""Names of functions: activations, and what quantized layers compute with."""

VALUES: Final = frozenset(_VALUES.split())
"""Names that stand for plain values."""
