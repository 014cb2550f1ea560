"""Model files of Microsoft's CNTK: read without CNTK, and converted to ONNX in memory."""

from landcover.models.cntk.convert import to_onnx as to_onnx
from landcover.models.cntk.graph import Function as Function
from landcover.models.cntk.graph import Graph as Graph
from landcover.models.cntk.graph import Leaf as Leaf
from landcover.models.cntk.graph import Output as Output
from landcover.models.cntk.graph import Ref as Ref
from landcover.models.cntk.outputs import choose as choose
from landcover.models.cntk.reader import convert as convert
from landcover.models.cntk.reader import read as read
