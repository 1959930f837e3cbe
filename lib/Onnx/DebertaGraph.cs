using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Onnx;

/// <summary>
/// Writes the network of <see cref="DebertaV2ForTokenClassification"/> as an ONNX graph: (input_ids [B, L], attention_mask [B, L]; token_type_ids [B, L] where
/// the network has segments) → logits [B, L, K] for any B and L. At padding the logits mean nothing.
/// </summary>
/// <remarks>
/// The arrangement is that of <see cref="DisentangledSelfAttention"/>: a position term is one product a head over all distances, read with a row stride one
/// shorter. Here each row has 2L columns instead of 2L−1, so that L = 1 is no case of its own. What does not depend on the input is computed beforehand: the
/// relative embeddings' projections, and the division of the queries by the scores' scale, which their weights take over.
/// </remarks>
// B batch, L length, C hidden = H·D, H heads, D head size, R rows of the relative table, K labels.
internal sealed class DebertaGraph
{
    // Seven bits: where a processor multiplies 8-bit numbers in pairs without VNNI, the sum of two products of eight bits overflows 16.
    private const int LargestInteger = 63;

    // Few buckets may not have ended here, or never end; the scores of one head alone would take 16 GiB.
    private const int LongestText = 65_536;

    private static readonly (string, object) Turned = ("perm", (long[])[0, 1, 3, 2]);

    private readonly OnnxGraph _graph = new("DebertaV2ForTokenClassification");
    private readonly DebertaV2ForTokenClassification _model;
    private readonly DebertaConfig _config;
    private readonly Dictionary<string, Tensor> _parameters;
    private readonly Dictionary<string, string[]> _quantised = new(StringComparer.Ordinal);
    private readonly bool _isInteger;

    // What the graph computes in.
    private readonly ScalarType _type;

    private DebertaGraph(DebertaV2ForTokenClassification model, OnnxPrecision precision)
    {
        (_model, _config) = (model, model.Config);
        (_type, _isInteger) = (precision == OnnxPrecision.Float16 ? ScalarType.Float16 : ScalarType.Float32, precision == OnnxPrecision.Int8);
        _parameters = model.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter, StringComparer.Ordinal);
    }

    /// <summary>The graph of a network, which must outlive it: weights are read when the graph is written.</summary>
    /// <param name="model">Without adapters, its weights stored densely.</param>
    /// <param name="precision">What weights and products are.</param>
    public static OnnxGraph Of(DebertaV2ForTokenClassification model, OnnxPrecision precision) => new DebertaGraph(model, precision).Build();

    private OnnxGraph Build()
    {
        string[] dimensions = ["batch_size", "sequence_length"];
        _graph.AddInput("input_ids", dimensions);
        _graph.AddInput("attention_mask", dimensions);
        if (_config.TypeVocabSize > 0)
        {
            _graph.AddInput("token_type_ids", dimensions);
        }

        var length = _graph.Add("Gather", "length", [_graph.Add("Shape", "shape", ["input_ids"]), _graph.Integer(1)]);
        var embedded = Embeddings(length);
        var (mask, positions) = (KeyMask(), PositionsOf(length));
        var hidden = embedded;
        for (var layer = 0; layer < _config.NumHiddenLayers; layer++)
        {
            var name = Invariant($"deberta.encoder.layer.{layer}");
            hidden = FeedForward(name, Attention($"{name}.attention", hidden, _model.Deberta.Encoder.Layers[layer].Attention.Self, mask, positions));
            if (layer == 0 && _config.ConvKernelSize > 0)
            {
                hidden = Convolution(embedded, hidden);
            }
        }

        // K columns save nothing in fewer bits.
        var scores = Linear(hidden, "classifier", _config.Labels.Count, isInteger: false);
        _graph.AddOutput(_graph.Add("Cast", "logits", [scores], ("to", (int)TensorProto.Types.DataType.Float)), _config.Labels.Count, dimensions);
        return _graph;
    }

    private string Embeddings(string length)
    {
        const string name = "deberta.embeddings";
        var sum = Words();
        if (_config.PositionBiasedInput)
        {
            var places = _graph.Add("Range", "positions", [_graph.Integer(0), length, _graph.Integer(1)]);
            sum = _graph.Add("Add", $"{name}.with_positions",
                [sum, _graph.Add("Gather", $"{name}.positions", [Parameter($"{name}.position_embeddings.weight"), places])]);
        }

        if (_config.TypeVocabSize > 0)
        {
            sum = _graph.Add("Add", $"{name}.with_types",
                [sum, _graph.Add("Gather", $"{name}.types", [Parameter($"{name}.token_type_embeddings.weight"), "token_type_ids"])]);
        }

        return Norm(Has($"{name}.embed_proj.weight") ? Linear(sum, $"{name}.embed_proj", _config.HiddenSize) : sum, name);
    }

    private string Words()
    {
        const string name = "deberta.embeddings.word_embeddings.weight";
        if (!_isInteger)
        {
            return _graph.Add("Gather", "deberta.embeddings.words", [Parameter(name), "input_ids"]);
        }

        var table = _parameters[name];
        var rows = _graph.Add("Gather", "deberta.embeddings.quantized_words",
            [_graph.AddWeight(name + "_quantized", table.shape, ScalarType.Int8, () => Quantised(table, 127).Rows), "input_ids"]);
        var scales = _graph.Add("Gather", "deberta.embeddings.word_scales",
            [_graph.AddWeight(name + "_scale", [table.shape[0], 1], ScalarType.Float32, () => Quantised(table, 127).Scales.unsqueeze(1)), "input_ids"]);
        return _graph.Add("Mul", "deberta.embeddings.words",
            [_graph.Add("Cast", "deberta.embeddings.whole_words", [rows], ("to", (int)TensorProto.Types.DataType.Float)), scales]);
    }

    /// <summary>What is added to every score: 0 for real keys, a very negative number for padding, [B, 1, L].</summary>
    private string KeyMask()
    {
        // Half of the type's range: score + this never becomes infinite, so a row that is all padding stays finite; exp of it is 0 all the same.
        var closed = _graph.Number(_type == ScalarType.Float16 ? -32_768 : -1.5e38, _type);
        var isPadding = _graph.Add("Equal", "is_padding", ["attention_mask", _graph.Integer(0)]);
        return _graph.Add("Unsqueeze", "key_mask", [_graph.Add("Where", "mask", [isPadding, closed, _graph.Number(0, _type)]), _graph.Integers(1)]);
    }

    /// <summary>What the position terms of every layer use; null where there are none.</summary>
    private Positions? PositionsOf(string length)
    {
        if (!_config.RelativeAttention || _config.ScaleFactor == 1)
        {
            return null;
        }

        var one = _graph.Integer(1);
        var doubled = _graph.Add("Mul", "twice_length", [length, _graph.Integer(2)]);
        var farthest = _graph.Add("Sub", "farthest_distance", [length, one]);
        var behind = _graph.Add("Add", "behind_farthest", [length, one]);
        var flat = _graph.Add("Mul", "flat_length", [length, doubled]);
        var heads = _graph.Integers(_config.NumAttentionHeads, -1);
        return new(
            Falling: Rows("falling", farthest, _graph.Add("Neg", "behind_last", [behind]), _graph.Integer(-1)),
            Rising: Rows("rising", _graph.Add("Neg", "last_distance", [farthest]), behind, one),
            FlatShape: Shape("flat_shape", heads, List(flat)),
            First: List(farthest),
            Behind: List(_graph.Add("Sub", "behind_flat", [flat, one])),
            ShiftedShape: Shape("shifted_shape", heads, List(length), List(_graph.Add("Sub", "row_stride", [doubled, one]))),
            Length: List(length));
    }

    /// <summary>The relative table's row of each of 2L distances.</summary>
    private string Rows(string name, string first, string behind, string step)
    {
        var (table, isWhole) = RowOfDistance();
        var farthest = table.Length / 2;
        var distances = _graph.Add("Range", name + "_distances", [first, behind, step]);
        // Beyond these all take the row of the farthest; where the table ends earlier, the model does too, and a look-up out of range says so.
        var reached = isWhole ? _graph.Add("Clip", name + "_reached", [distances, _graph.Integer(-farthest), _graph.Integer(farthest)]) : distances;
        return _graph.Add("Gather", name + "_rows",
            [_graph.Table("row_of_distance", table), _graph.Add("Add", name + "_places", [reached, _graph.Integer(farthest)])]);
    }

    /// <summary>
    /// The row of each distance from −D to D, beyond which nothing changes. It stands in the graph as numbers: computed there, a logarithm of another library,
    /// one bit off, would move a bucket's boundary.
    /// </summary>
    private (long[] Rows, bool IsWhole) RowOfDistance()
    {
        var middle = _config.PositionBuckets / 2;
        if (_config.PositionBuckets > 0 && _config.FarthestDistance - 1 <= middle)
        {
            var known = RelativePositions.RowOfDistance(_config, middle + 1);
            // Of 2L columns the outermost is nobody's distance.
            return ([known[0], .. known, known[^1]], false);
        }

        var last = (2L * _config.RelativeSpan) - 1;
        var length = _config.RelativeSpan + 2;
        var rows = RelativePositions.RowOfDistance(_config, length);
        while ((rows[0] != 0 || rows[^1] != last) && length < LongestText)
        {
            length *= 2;
            rows = RelativePositions.RowOfDistance(_config, length);
        }

        var center = length - 1;
        var farthest = Math.Max(center - Array.LastIndexOf(rows, rows[0]), Array.IndexOf(rows, rows[^1]) - center);
        return (rows[(center - farthest)..(center + farthest + 1)], true);
    }

    private string FeedForward(string name, string attended)
    {
        var inner = Activate(Linear(attended, $"{name}.intermediate.dense", _config.IntermediateSize), _config.HiddenAct, $"{name}.intermediate.activation");
        return Norm(_graph.Add("Add", $"{name}.output.sum", [Linear(inner, $"{name}.output.dense", _config.HiddenSize), attended]), $"{name}.output");
    }

    private string Attention(string name, string hidden, DisentangledSelfAttention layer, string mask, Positions? positions)
    {
        var self = $"{name}.self";
        var queries = Heads($"{self}.query_proj", hidden, _config.ScoreScale);
        var keys = Heads($"{self}.key_proj", hidden);
        var scores = _graph.Add("MatMul", $"{self}.content", [queries, _graph.Add("Transpose", $"{self}.turned_keys", [keys], Turned)]);
        if (positions is not null && _config.HasContentToPosition)
        {
            var term = PositionTerm($"{self}.c2p", queries, positions, positions.Falling, layer.PositionKeyProjection, 1);
            scores = _graph.Add("Add", $"{self}.with_c2p", [scores, term]);
        }

        if (positions is not null && _config.HasPositionToContent)
        {
            // Row j, column i there: the key's row looks for the query's distance i − j.
            var term = PositionTerm($"{self}.p2c", keys, positions, positions.Rising, layer.PositionQueryProjection, _config.ScoreScale);
            scores = _graph.Add("Add", $"{self}.with_p2c", [scores, _graph.Add("Transpose", $"{self}.turned_p2c", [term], Turned)]);
        }

        var weights = _graph.Add("Softmax", $"{self}.weights", [_graph.Add("Add", $"{self}.masked", [scores, mask])], ("axis", -1));
        var context = _graph.Add("MatMul", $"{self}.context", [weights, Heads($"{self}.value_proj", hidden)]);
        var flat = _graph.Add("Reshape", $"{self}.flat_context",
            [_graph.Add("Transpose", $"{self}.turned_context", [context], ("perm", (long[])[1, 2, 0, 3])), _graph.Integers(0, 0, _config.HiddenSize)]);
        return Norm(_graph.Add("Add", $"{name}.output.sum", [Linear(flat, $"{name}.output.dense", _config.HiddenSize), hidden]), $"{name}.output");
    }

    /// <summary>[B, L, C] → [H, B, L, D].</summary>
    private string Heads(string name, string hidden, double scale = 1)
    {
        var byHead = _graph.Add("Reshape", $"{name}.by_head",
            [Linear(hidden, name, _config.HiddenSize, scale: scale), _graph.Integers(0, 0, _config.NumAttentionHeads, _config.HeadSize)]);
        return _graph.Add("Transpose", $"{name}.heads", [byHead], ("perm", (long[])[2, 0, 1, 3]));
    }

    /// <summary>[H, B, L, D] and a projection's rows of 2L distances → [H, B, L, L]: element (r, c) is column c − r + L − 1 of row r.</summary>
    private string PositionTerm(string name, string heads, Positions positions, string rows, Projection projection, double scale)
    {
        var byDistance = _graph.Add("Gather", $"{name}.by_distance", [ProjectedRows(name, projection, scale), rows], ("axis", 2));
        var flatHeads = _graph.Add("Reshape", $"{name}.flat_heads", [heads, _graph.Integers(0, -1, _config.HeadSize)]);
        var flat = _graph.Add("Reshape", $"{name}.flat", [_graph.Add("MatMul", $"{name}.product", [flatHeads, byDistance]), positions.FlatShape]);
        var fromFirst = _graph.Add("Slice", $"{name}.from_first", [flat, positions.First, positions.Behind, _graph.Integers(2)]);
        var shifted = _graph.Add("Reshape", $"{name}.shifted", [fromFirst, positions.ShiftedShape]);
        return _graph.Add("Slice", name, [shifted, _graph.Integers(0), positions.Length, _graph.Integers(3)]);
    }

    /// <summary>The relative embeddings as a layer's keys or queries, [H, D, R].</summary>
    private string ProjectedRows(string name, Projection projection, double scale)
    {
        var (rows, heads, size) = (2L * _config.RelativeSpan, _config.NumAttentionHeads, _config.HeadSize);
        // Beside weights of eight bits, half precision costs nothing that counts and a half of the bytes.
        var stored = _isInteger ? ScalarType.Float16 : _type;
        var table = _graph.AddWeight($"{name}.rows", [heads, size, rows], stored, () =>
        {
            var relative_RC = _model.Deberta.Encoder.RelativeRows(arange(rows, ScalarType.Int64, _model.Classifier.Weight.device))!;
            return projection.call(relative_RC).div(scale).view(rows, heads, size).permute(1, 2, 0);
        });
        return stored == _type ? table : _graph.Add("Cast", $"{name}.wide_rows", [table], ("to", (int)TensorProto.Types.DataType.Float));
    }

    /// <summary>LayerNorm(layer output + act(conv(embeddings))), where padding counts as zero.</summary>
    private string Convolution(string embedded, string hidden)
    {
        const string name = "deberta.encoder.conv";
        var real = _graph.Add("Unsqueeze", "real",
            [_graph.Add("Cast", "mask_number", ["attention_mask"],
            ("to", (int)(_type == ScalarType.Float16 ? TensorProto.Types.DataType.Float16 : TensorProto.Types.DataType.Float))), _graph.Integers(2)]);
        var columns = _graph.Add("Transpose", $"{name}.columns", [_graph.Add("Mul", $"{name}.input", [embedded, real])], ("perm", (long[])[0, 2, 1]));
        long margin = (_config.ConvKernelSize - 1) / 2;
        var mixed = _graph.Add("Conv", $"{name}.mixed", [columns, Parameter($"{name}.conv.weight"), Parameter($"{name}.conv.bias")],
            ("kernel_shape", (long[])[_config.ConvKernelSize]), ("pads", (long[])[margin, margin]), ("group", _config.ConvGroups));
        var rows = _graph.Add("Transpose", $"{name}.rows", [mixed], ("perm", (long[])[0, 2, 1]));
        return Norm(_graph.Add("Add", $"{name}.sum", [hidden, Activate(rows, _config.ConvAct, $"{name}.activation")]), name);
    }

    private string Norm(string input, string name) =>
        _graph.Add("LayerNormalization", $"{name}.normalized", [input, Parameter($"{name}.LayerNorm.weight"), Parameter($"{name}.LayerNorm.bias")],
        ("axis", -1), ("epsilon", (float)_config.LayerNormEps));

    /// <summary>(x Wᵀ + b) / scale, [B, L, in] → [B, L, width].</summary>
    private string Linear(string input, string name, int width, bool isInteger = true, double scale = 1)
    {
        var weight = _parameters[$"{name}.weight"];
        long[] shape = [weight.shape[1], width];
        string product;
        if (_isInteger && isInteger)
        {
            product = IntegerProduct(input, name, shape, () => Quantised(weight / scale, LargestInteger));
        }
        else
        {
            product = _graph.Add("MatMul", $"{name}.product", [input, _graph.AddWeight($"{name}.weight", shape, _type, () => (weight / scale).t())]);
        }

        return Has($"{name}.bias")
            ? _graph.Add("Add", $"{name}.biased", [product, _graph.AddWeight($"{name}.bias", [width], _type, () => _parameters[$"{name}.bias"] / scale)])
            : product;
    }

    /// <summary>
    /// x in eight bits, one scale and zero for all of it, found when it runs; W in seven, one scale a column (the form that onnxruntime's quantize_dynamic
    /// writes, and its runtime fuses).
    /// </summary>
    private string IntegerProduct(string input, string name, long[] shape, Func<(Tensor Rows, Tensor Scales)> quantised)
    {
        if (!_quantised.TryGetValue(input, out var parts))
        {
            parts = _quantised[input] = _graph.Add("DynamicQuantizeLinear", [$"{input}_quantized", $"{input}_scale", $"{input}_zero_point"], [input]);
        }

        var rows = _graph.AddWeight($"{name}.weight_quantized", shape, ScalarType.Int8, () => quantised().Rows.t());
        var scales = _graph.AddWeight($"{name}.weight_scale", [shape[1]], ScalarType.Float32, () => quantised().Scales);
        var whole = _graph.Add("MatMulInteger", $"{name}.integer_product", [parts[0], rows, parts[2]]);
        return _graph.Add("Mul", $"{name}.product",
            [_graph.Add("Cast", $"{name}.wide_product", [whole], ("to", (int)TensorProto.Types.DataType.Float)),
                _graph.Add("Mul", $"{name}.scales", [parts[1], scales])]);
    }

    private static (Tensor Rows, Tensor Scales) Quantised(Tensor weight, int largest) => FrozenWeights.Quantise(weight.to(ScalarType.Float32), largest);

    /// <summary>An activation function of <see cref="Activation.ByName"/>.</summary>
    private string Activate(string x, string function, string name)
    {
        string Step(string type, string step, params string[] inputs) => _graph.Add(type, $"{name}.{step}", inputs);
        string Number(double value) => _graph.Number(value, _type);
        switch (function)
        {
            case "gelu":
                // In the order in which ONNX Runtime knows it, to run it as one.
                var error = Step("Add", "shifted", Step("Erf", "erf", Step("Div", "divided", x, Number(Math.Sqrt(2)))), Number(1));
                return Step("Mul", "half", Step("Mul", "gated", x, error), Number(0.5));
            case "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast":
                var cubed = Step("Mul", "cubed", Step("Mul", "squared", x, x), x);
                var inner = Step("Mul", "inner", Step("Add", "sum", x, Step("Mul", "bent", cubed, Number(0.044715))), Number(Math.Sqrt(2 / Math.PI)));
                return Step("Mul", "gated", Step("Mul", "half", x, Number(0.5)), Step("Add", "shifted", Step("Tanh", "tanh", inner), Number(1)));
            case "silu" or "swish":
                return Step("Mul", "gated", x, Step("Sigmoid", "sigmoid", x));
            case "mish":
                return Step("Mul", "gated", x, Step("Tanh", "tanh", Step("Softplus", "softplus", x)));
            case "linear":
                return x;
            default:
                return Step(
                    function switch
                    {
                        "relu" => "Relu",
                        "tanh" => "Tanh",
                        "sigmoid" => "Sigmoid",
                        _ => throw new NotSupportedException($"The activation {function} cannot be exported.")
                    }, function, x);
        }
    }

    private bool Has(string parameter) => _parameters.ContainsKey(parameter);

    private string Parameter(string name) => _graph.AddWeight(name, _parameters[name].shape, _type, () => _parameters[name].alias());

    private string List(string number) => _graph.Add("Unsqueeze", $"{number}_list", [number, _graph.Integers(0)]);

    private string Shape(string name, params string[] parts) => _graph.Add("Concat", name, parts, ("axis", 0));

    /// <summary>What every layer's position terms use.</summary>
    /// <param name="Falling">Rows of the relative table for distances L−1 down to −L, [2L].</param>
    /// <param name="Rising">Rows for distances −(L−1) up to L, [2L].</param>
    /// <param name="FlatShape">[H, B, 2L²].</param>
    /// <param name="First">Where the first row's first element stands: L−1.</param>
    /// <param name="Behind">The end of the last row: 2L²−1.</param>
    /// <param name="ShiftedShape">[H, B, L, 2L−1].</param>
    /// <param name="Length">L, as a list.</param>
    private sealed record Positions(string Falling, string Rising, string FlatShape, string First, string Behind, string ShiftedShape, string Length);
}
