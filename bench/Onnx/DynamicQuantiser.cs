using System.Globalization;
using System.Runtime.InteropServices;
using Google.Protobuf;
using NotebookLib.Onnx;
using NotebookLib.Platform;
using DataType = NotebookLib.Onnx.TensorProto.Types.DataType;

namespace NotebookLib.Bench.Onnx;

/// <summary>
/// Makes the graph that onnxruntime.quantization.quantize_dynamic makes of a float32 one (its Python code cannot be reached from here): each MatMul with a
/// constant right side becomes DynamicQuantizeLinear → MatMulInteger → Cast → Mul, weights in int8, one scale per matrix, symmetric. ONNX Runtime fuses the
/// four when it opens the graph. Fields that the messages do not name stay as they are.
/// </summary>
internal static class DynamicQuantiser
{
    /// <summary>Writes the quantised graph beside the float32 one, sharing its other weights.</summary>
    /// <param name="modelPath">A graph with its <c>weights.bin</c>.</param>
    /// <returns>Path of the quantised graph and how many products it has.</returns>
    public static (string Path, int Products) Quantise(string modelPath)
    {
        ModelProto model;
        using (var stream = File.OpenRead(modelPath))
        {
            model = ModelProto.Parser.ParseFrom(stream);
        }

        using var weights = File.OpenRead(Path.Combine(Path.GetDirectoryName(modelPath)!, "weights.bin"));
        var initializers = model.Graph.Initializer.ToDictionary(tensor => tensor.Name);
        var nodes = model.Graph.Node.ToArray();
        HashSet<string> quantisedInputs = [], quantisedWeights = [];
        model.Graph.Node.Clear();
        var products = 0;
        foreach (var node in nodes)
        {
            if (node.OpType == "MatMul" && initializers.TryGetValue(node.Input[1], out var weight))
            {
                if (quantisedWeights.Add(weight.Name))
                {
                    QuantiseWeight(model.Graph, weight, weights);
                }

                AddProduct(model.Graph, node, quantisedInputs);
                products++;
            }
            else
            {
                model.Graph.Node.Add(node);
            }
        }

        // Some are read elsewhere too, as they are.
        quantisedWeights.ExceptWith(model.Graph.Node.SelectMany(node => node.Input));
        foreach (var name in quantisedWeights)
        {
            model.Graph.Initializer.Remove(initializers[name]);
        }

        var path = Path.ChangeExtension(modelPath, ".int8.onnx");
        AtomicFile.Write(path, model.WriteTo);
        return (path, products);
    }

    private static void AddProduct(GraphProto graph, NodeProto node, HashSet<string> quantisedInputs)
    {
        string input = node.Input[0], weight = node.Input[1], output = node.Output[0];
        if (quantisedInputs.Add(input))
        {
            graph.Node.Add(NewNode("DynamicQuantizeLinear", [input], [input + "_quantized", input + "_scale", input + "_zero_point"]));
        }

        var cast = NewNode("Cast", [output + "_integer"], [output + "_float"]);
        cast.Attribute.Add(new AttributeProto { Name = "to", I = (int)DataType.Float, Type = AttributeProto.Types.AttributeType.Int });
        graph.Node.Add(
            NewNode("MatMulInteger", [input + "_quantized", weight + "_quantized", input + "_zero_point", weight + "_zero_point"], [output + "_integer"]));
        graph.Node.Add(cast);
        graph.Node.Add(NewNode("Mul", [input + "_scale", weight + "_scale"], [output + "_scales"]));
        graph.Node.Add(NewNode("Mul", [output + "_float", output + "_scales"], [output]));
    }

    private static NodeProto NewNode(string type, string[] inputs, string[] outputs) =>
        new() { OpType = type, Name = outputs[0] + "_node", Input = { inputs }, Output = { outputs } };

    private static void QuantiseWeight(GraphProto graph, TensorProto weight, FileStream file)
    {
        var values = Read(weight, file);
        var largest = 0f;
        foreach (var value in values)
        {
            largest = Math.Max(largest, Math.Abs(value));
        }

        var scale = largest / 127;
        var bytes = new byte[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            bytes[i] = (byte)(sbyte)Math.Clamp(MathF.Round(values[i] / scale), -127, 127);
        }

        graph.Initializer.Add(
            new TensorProto
            {
                Name = weight.Name + "_quantized",
                DataType = DataType.Int8,
                Dims = { weight.Dims },
                RawData = UnsafeByteOperations.UnsafeWrap(bytes)
            });
        graph.Initializer.Add(
            new TensorProto { Name = weight.Name + "_scale", DataType = DataType.Float, RawData = ByteString.CopyFrom(BitConverter.GetBytes(scale)) });
        graph.Initializer.Add(new TensorProto { Name = weight.Name + "_zero_point", DataType = DataType.Int8, RawData = ByteString.CopyFrom(0) });
    }

    private static float[] Read(TensorProto weight, FileStream file)
    {
        long Number(string key) => long.Parse(weight.ExternalData.Single(entry => entry.Key == key).Value, CultureInfo.InvariantCulture);
        var values = new float[Number("length") / sizeof(float)];
        file.Position = Number("offset");
        file.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }
}
