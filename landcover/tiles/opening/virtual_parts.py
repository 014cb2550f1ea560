"""What virtual rasters are made of.

https://gdal.org/en/stable/drivers/raster/vrt.html, and gdalvrt.xsd of GDAL; for those that warp,
what GDAL 3.10 writes of its options. Left out is what reads files that are no rasters (raw bands, arrays of
more dimensions, elevation models and arrays of places of transformers) and what has programs of its own.
"""

FILES = frozenset({"SourceFilename", "SourceDataset"})
"""Elements whose text names a file."""

_WHOLE = """
    VRTDataset SRS GeoTransform Metadata MDI OverviewList GCPList GCP MaskBand BlockXSize BlockYSize
"""
_BANDS = """
    VRTRasterBand Description UnitType Offset Scale CategoryNames Category ColorInterp ColorTable Entry
    NoDataValue NodataValue HideNoDataValue Histograms HistItem HistMin HistMax BucketCount
    IncludeOutOfRange Approximate HistCounts Overview SourceBand
    GDALRasterAttributeTable FieldDefn Name Type Usage Row F
"""
_SOURCES = """
    SimpleSource ComplexSource AveragedSource KernelFilteredSource NoDataFromMaskSource
    SourceFilename SourceProperties OpenOptions OOI SrcRect DstRect
    ScaleOffset ScaleRatio ColorTableComponent Exponent SrcMin SrcMax DstMin DstMax Clamp NODATA LUT
    UseMaskBand Kernel Size Coefs MaskValueThreshold RemappedValue Resampling
"""
# Functions of GDAL's own.
_DERIVED = """
    PixelFunctionType PixelFunctionLanguage PixelFunctionArguments SourceTransferType BufferRadius
    SkipNonContributingSources
"""
_PANSHARPENED = """
    PansharpeningOptions Algorithm AlgorithmOptions Weights Resampling NumThreads BitDepth NoData
    SpatialExtentAdjustment PanchroBand SpectralBand
"""
_WARPED = """
    GDALWarpOptions WarpMemoryLimit ResampleAlg WorkingDataType Option SourceDataset Transformer
    ApproxTransformer MaxError BaseTransformer GenImgProjTransformer SrcGeoTransform
    SrcInvGeoTransform DstGeoTransform DstInvGeoTransform ReprojectTransformer
    ReprojectionTransformer SourceSRS TargetSRS Options CenterLong SourceCenterLong TargetCenterLong
    SrcGCPTransformer SrcTPSTransformer GCPTransformer TPSTransformer Order Reversed Refine
    MinimumGcps Tolerance BandList BandMapping SrcNoDataReal SrcNoDataImag DstNoDataReal
    DstNoDataImag SrcAlphaBand DstAlphaBand Cutline CutlineBlendDist CheckWithInvertProj
    DstSRS
"""
ELEMENTS = frozenset(f"{_WHOLE} {_BANDS} {_SOURCES} {_DERIVED} {_PANSHARPENED} {_WARPED}".split())
"""Elements that a virtual raster may have."""

ATTRIBUTES = frozenset(
    [
        "rasterXSize",
        "rasterYSize",
        "subClass",
        "dataType",
        "band",
        "blockXSize",
        "blockYSize",
        "key",
        "domain",
        "format",
        "dataAxisToSRSAxisMapping",
        "coordinateEpoch",
        "Projection",
        "Id",
        "Info",
        "Pixel",
        "Line",
        "X",
        "Y",
        "Z",
        "GCPZ",
        "c1",
        "c2",
        "c3",
        "c4",
        "relativeToVRT",
        "relativetoVRT",
        "shared",
        "resampling",
        "xOff",
        "yOff",
        "xSize",
        "ySize",
        "RasterXSize",
        "RasterYSize",
        "DataType",
        "BlockXSize",
        "BlockYSize",
        "normalized",
        "index",
        "tableType",
        "Row0Min",
        "BinSize",
        "dstBand",
        "name",
        "src",
        "dst",
    ]
)
"""Attributes that these may have. Others would be read as elements of their names are."""
