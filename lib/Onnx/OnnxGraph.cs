using System.Globalization;
using Google.Protobuf;
using NotebookLib.Model;
using NotebookLib.Platform;
using TorchSharp;
using DataType = NotebookLib.Onnx.TensorProto.Types.DataType;

namespace NotebookLib.Onnx;

/// <summary>
/// A graph in the making: nodes by their outputs' names, weights that are asked for one by one when it is written, so that no copy of the network is ever in
/// memory.
/// </summary>
internal sealed class OnnxGraph(string name)
{
    /// <summary>
    /// Version of the operators, and of the format that came with it: LayerNormalization is there since 17, and ONNX Runtime reads both since 1.12.
    /// </summary>
    private const int OperatorSet = 17, FormatVersion = 8;

    // Readers map external weights; those of a page or more begin on one.
    private const int Page = 4096;

    private readonly GraphProto _graph = new() { Name = name };
    private readonly List<Weight> _weights = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);

    /// <summary>Declares an input of whole numbers.</summary>
    /// <param name="input">Its name.</param>
    /// <param name="dimensions">Names of its dimensions; each may have any size.</param>
    public void AddInput(string input, params string[] dimensions) =>
        _graph.Input.Add(Value(input, DataType.Int64, [.. dimensions.Select(dimension => new TensorShapeProto.Types.Dimension { DimParam = dimension })]));

    /// <summary>Declares the output, float32.</summary>
    /// <param name="output">The name of a node's output.</param>
    /// <param name="lastDimension">The size of the last dimension.</param>
    /// <param name="dimensions">Names of the dimensions before it.</param>
    public void AddOutput(string output, int lastDimension, params string[] dimensions) =>
        _graph.Output.Add(
            Value(output, DataType.Float,
            [.. dimensions.Select(dimension => new TensorShapeProto.Types.Dimension { DimParam = dimension }), new() { DimValue = lastDimension }]));

    /// <summary>Adds a node with one output.</summary>
    /// <param name="type">The operator.</param>
    /// <param name="output">What to call the output; a name that is taken gets a number.</param>
    /// <param name="inputs">Names.</param>
    /// <param name="attributes">Whole numbers, lists of them, or single-precision numbers.</param>
    /// <returns>The output's name.</returns>
    public string Add(string type, string output, string[] inputs, params ReadOnlySpan<(string Name, object Value)> attributes) =>
        Add(type, [output], inputs, attributes)[0];

    /// <summary>Adds a node with several outputs.</summary>
    /// <inheritdoc cref="Add(string, string, string[], ReadOnlySpan{ValueTuple{string, object}})"/>
    public string[] Add(string type, string[] outputs, string[] inputs, params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        string[] named = Array.ConvertAll(outputs, Unique);
        var node = new NodeProto { OpType = type, Name = $"{named[0]}/{type}", Input = { inputs }, Output = { named } };
        foreach (var (attribute, value) in attributes)
        {
            node.Attribute.Add(value switch
            {
                int number => new AttributeProto { Name = attribute, I = number, Type = AttributeProto.Types.AttributeType.Int },
                float number => new AttributeProto { Name = attribute, F = number, Type = AttributeProto.Types.AttributeType.Float },
                long[] numbers => new AttributeProto { Name = attribute, Ints = { numbers }, Type = AttributeProto.Types.AttributeType.Ints },
                _ => throw new ArgumentException($"{type}.{attribute} is a {value.GetType().Name}; expected int, float or long[]."),
            });
        }

        _graph.Node.Add(node);
        return named;
    }

    /// <summary>A constant list of whole numbers, the same for the same numbers.</summary>
    public string Integers(params long[] values) => Constant($"[{string.Join(',', values)}]", [values.Length], values);

    /// <summary>A constant whole number.</summary>
    public string Integer(long value) => Constant(value.ToString(CultureInfo.InvariantCulture), [], [value]);

    /// <summary>A table of whole numbers.</summary>
    public string Table(string table, long[] values) => Constant(table, [values.Length], values);

    /// <summary>A constant number of a type.</summary>
    public string Number(double value, torch.ScalarType type) =>
        AddWeight(string.Create(CultureInfo.InvariantCulture, $"{type}({value:R})"), [], type, () => torch.tensor(value, type), isConstant: true);

    /// <summary>Adds a weight.</summary>
    /// <param name="weight">What to call it.</param>
    /// <param name="shape">Of what <paramref name="values"/> gives.</param>
    /// <param name="type">float32, float16 or int8: what <paramref name="values"/> is written as.</param>
    /// <param name="values">Gives the numbers, on any device; disposed when they are written.</param>
    /// <returns>Its name.</returns>
    public string AddWeight(string weight, long[] shape, torch.ScalarType type, Func<torch.Tensor> values) =>
        AddWeight(weight, shape, type, values, isConstant: false);

    /// <summary>Writes the graph.</summary>
    /// <param name="path">The file. Above <paramref name="mostBytes"/> the weights go to a second file beside it, its name followed by <c>_data</c>.</param>
    /// <param name="mostBytes">Protocol buffers end at 2 GiB.</param>
    /// <returns>True where a second file was needed.</returns>
    public bool Write(string path, long mostBytes)
    {
        var isExternal = _weights.Sum(weight => weight.Bytes + 256L) + _graph.CalculateSize() > mostBytes;
        List<Weight> outside = isExternal ? [.. _weights.Where(weight => !weight.IsConstant)] : [];
        var dataPath = path + "_data";
        foreach (var (weight, offset) in outside.Zip(Offsets(outside)))
        {
            weight.Header.DataLocation = TensorProto.Types.DataLocation.External;
            weight.Header.ExternalData.Add(
                new[] { Entry("location", Path.GetFileName(dataPath)), Entry("offset", Invariant($"{offset}")),
                Entry("length", Invariant($"{weight.Bytes}")) });
        }

        if (isExternal)
        {
            AtomicFile.Write(dataPath, stream => WriteData(stream, outside));
        }

        AtomicFile.Write(path, stream => WriteModel(stream, [.. _weights.Except(outside)], outside));
        return isExternal;
    }

    private static StringStringEntryProto Entry(string key, string value) => new() { Key = key, Value = value };

    private static IEnumerable<long> Offsets(IEnumerable<Weight> weights)
    {
        var offset = 0L;
        foreach (var weight in weights)
        {
            yield return offset;
            offset += (weight.Bytes + Page - 1) / Page * Page;
        }
    }

    private static void WriteData(Stream stream, List<Weight> weights)
    {
        foreach (var (weight, offset) in weights.Zip(Offsets(weights)))
        {
            stream.Position = offset;
            weight.WriteTo(stream);
        }
    }

    /// <summary>The model message, its parts one after the other: a ByteString would hold the weights a second time.</summary>
    private void WriteModel(Stream stream, List<Weight> inside, List<Weight> outside)
    {
        var model = new ModelProto
        {
            IrVersion = FormatVersion,
            ProducerName = "NotebookLib",
            ProducerVersion = Provenance.Version,
            OpsetImport = { new OperatorSetIdProto { Domain = "", Version = OperatorSet } },
        };
        model.WriteTo(stream);
        _graph.Initializer.Clear();
        _graph.Initializer.Add(outside.Select(weight => weight.Header));
        WriteHead(stream, ModelProto.GraphFieldNumber,
            _graph.CalculateSize() + inside.Sum(weight => HeadLength(GraphProto.InitializerFieldNumber, weight.MessageLength) + weight.MessageLength));
        _graph.WriteTo(stream);
        foreach (var weight in inside)
        {
            WriteHead(stream, GraphProto.InitializerFieldNumber, weight.MessageLength);
            weight.Header.WriteTo(stream);
            WriteHead(stream, TensorProto.RawDataFieldNumber, weight.Bytes);
            weight.WriteTo(stream);
        }
    }

    /// <summary>A field of a known length: its number with the wire type of messages and bytes, then the length (Protocol Buffers, Encoding).</summary>
    private static void WriteHead(Stream stream, int field, long length)
    {
        using var output = new CodedOutputStream(stream, leaveOpen: true);
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteUInt64((ulong)length);
    }

    private static long HeadLength(int field, long length) => CodedOutputStream.ComputeTagSize(field) + CodedOutputStream.ComputeUInt64Size((ulong)length);

    private static ValueInfoProto Value(string value, DataType type, TensorShapeProto.Types.Dimension[] dimensions) =>
        new() { Name = value, Type = new() { TensorType = new() { ElemType = type, Shape = new() { Dim = { dimensions } } } } };

    private string Unique(string wanted)
    {
        var free = wanted;
        for (var number = 2; !_names.Add(free); number++)
        {
            free = Invariant($"{wanted}_{number}");
        }

        return free;
    }

    private string Constant(string constant, long[] shape, long[] values) =>
        AddWeight(constant, shape, torch.ScalarType.Int64, () => shape.Length == 0 ? torch.tensor(values[0]) : torch.tensor(values), isConstant: true);

    private string AddWeight(string weight, long[] shape, torch.ScalarType type, Func<torch.Tensor> values, bool isConstant)
    {
        if (!_names.Add(weight))
        {
            return isConstant ? weight : throw new ArgumentException($"The graph has {weight} already.");
        }

        _weights.Add(new(weight, shape, type, values, isConstant));
        return weight;
    }

    private sealed class Weight(string name, long[] shape, torch.ScalarType type, Func<torch.Tensor> values, bool isConstant)
    {
        public bool IsConstant => isConstant;

        public long Bytes { get; } = shape.Aggregate(1L, (product, size) => product * size) * TensorBytes.SizeOf(type);

        public TensorProto Header { get; } = new()
        {
            Name = name,
            Dims = { shape },
            DataType = type switch
            {
                torch.ScalarType.Float32 => DataType.Float,
                torch.ScalarType.Float16 => DataType.Float16,
                torch.ScalarType.Int8 => DataType.Int8,
                torch.ScalarType.Int64 => DataType.Int64,
                _ => throw new NotSupportedException($"{type} has no place in an exported graph."),
            },
        };

        /// <summary>Bytes of the whole message.</summary>
        public long MessageLength => Header.CalculateSize() + HeadLength(TensorProto.RawDataFieldNumber, Bytes) + Bytes;

        public void WriteTo(Stream stream)
        {
            using var scope = torch.NewDisposeScope();
            using var quiet = torch.no_grad();
            var tensor = values().to(type);
            if (!tensor.shape.SequenceEqual(shape))
            {
                throw new InvalidOperationException($"{name}: expected [{string.Join(", ", shape)}], got [{string.Join(", ", tensor.shape)}].");
            }

            TensorBytes.Write(stream, tensor);
        }
    }
}
