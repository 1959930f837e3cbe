using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("safetensors-").FullName;
    private readonly DisposeScope _scope = NewDisposeScope();

    private string File1 => Path.Combine(_folder, "a.safetensors");

    public void Dispose()
    {
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Rewriting_a_file_of_the_Python_library_gives_the_same_bytes()
    {
        var original = Repository.PathOf("tests", "goldens", "model", "v3-tiny", "model.safetensors");

        SafetensorsFile.Write(File1, SafetensorsFile.ReadAll(original));

        Assert.Equal(File.ReadAllBytes(original), File.ReadAllBytes(File1));
    }

    [Fact]
    public void Every_dtype_comes_back_as_it_was()
    {
        ScalarType[] dtypes = [float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, ScalarType.Bool];
        var tensors = dtypes.ToDictionary(dtype => dtype.ToString(), dtype => tensor(new[] { 1f, 0, 1, 3, 100, 0 }).to(dtype).view(2, 3));
        tensors["scalar"] = tensor(2.5f);
        tensors["empty"] = zeros(0, 4);
        tensors["transposed"] = arange(6, float32).view(2, 3).t();

        SafetensorsFile.Write(File1, tensors);
        var back = SafetensorsFile.ReadAll(File1);

        Assert.Equal(tensors.Keys.Order(), back.Keys.Order());
        Assert.All(tensors, pair =>
        {
            Assert.Equal((pair.Value.dtype, string.Join(",", pair.Value.shape)), (back[pair.Key].dtype, string.Join(",", back[pair.Key].shape)));
            Assert.Equal(pair.Value.numel(), back[pair.Key].eq(pair.Value).sum().item<long>());
        });
    }

    [Fact]
    public void A_half_precision_tensor_is_read_straight_into_float32()
    {
        SafetensorsFile.Write(
            File1, new Dictionary<string, Tensor> { ["w"] = (arange(5_000_000, float32) % 1000).to(float16), ["b"] = tensor(new[] { 0.1f }).to(bfloat16) });
        using var file = SafetensorsFile.Open(File1);

        Assert.Equal(999, file.Read("w", float32)[4_999_999].item<float>());
        Assert.Equal(0.1001, file.Read("b", float64).item<double>(), 1e-4);
    }

    [Fact]
    public void The_order_of_the_caller_does_not_matter()
    {
        var (a, b) = (KeyValuePair.Create("a", ones(3)), KeyValuePair.Create("b", ones(2, float64)));
        SafetensorsFile.Write(File1, [a, b]);
        SafetensorsFile.Write(File1 + "2", [b, a]);

        Assert.Equal(File.ReadAllBytes(File1), File.ReadAllBytes(File1 + "2"));
    }

    [Fact]
    public void Metadata_is_kept()
    {
        SafetensorsFile.Write(File1, new Dictionary<string, Tensor> { ["a"] = ones(1) }, new Dictionary<string, string> { ["step"] = "12", ["format"] = "pt" });
        using var file = SafetensorsFile.Open(File1);

        Assert.Equal(("12", "pt"), (file.Metadata["step"], file.Metadata["format"]));
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_whole()
    {
        SafetensorsFile.Write(File1, new Dictionary<string, Tensor> { ["a"] = ones(4) });
        var before = File.ReadAllBytes(File1);
        var disposed = ones(4);
        var tensors = new Dictionary<string, Tensor> { ["a"] = zeros(4), ["b"] = disposed.to_type(ScalarType.ComplexFloat32) };

        Assert.Throws<NotSupportedException>(() => SafetensorsFile.Write(File1, tensors));
        Assert.Equal(before, File.ReadAllBytes(File1));
        Assert.Single(Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_wrong_shape_names_tensor_expectation_and_finding()
    {
        SafetensorsFile.Write(File1, new Dictionary<string, Tensor> { ["layer.weight"] = ones(2, 3) });
        using var file = SafetensorsFile.Open(File1);

        var error = Assert.Throws<InvalidDataException>(() => file.ReadInto("layer.weight", zeros(3, 2)));
        Assert.Contains("layer.weight: expected [3, 2], file has [2, 3]", error.Message);
        Assert.Throws<InvalidDataException>(() => file.Read("layer.bias"));
    }
}
