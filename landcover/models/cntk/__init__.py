"""Model files of Microsoft's CNTK: read without CNTK, and converted to ONNX in memory."""

from landcover.models.cntk.conversion.converter import convert as convert
from landcover.models.cntk.conversion.converter import to_onnx as to_onnx
from landcover.models.cntk.reader.graph import Function as Function
from landcover.models.cntk.reader.graph import Graph as Graph
from landcover.models.cntk.reader.graph import Leaf as Leaf
from landcover.models.cntk.reader.graph import Output as Output
from landcover.models.cntk.reader.graph import Ref as Ref
from landcover.models.cntk.reader.model_file import mapped as mapped
from landcover.models.cntk.reader.model_file import read as read
from landcover.models.cntk.reader.outputs import choose as choose
