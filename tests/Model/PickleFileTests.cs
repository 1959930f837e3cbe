using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

public sealed class PickleFileTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.bin");
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        File.Delete(_path);
    }

    [Fact]
    public void Strides_offsets_and_shared_storages_are_read_as_PyTorch_means_them()
    {
        var values = arange(12, float32);
        new PickledFile().OpenDictionary()
            .Tensor("whole", "FloatStorage", "0", 12, 0, [3, 4], [4, 1])
            .Tensor("transposed", "FloatStorage", "0", 12, 0, [4, 3], [1, 4])
            .Tensor("tail", "FloatStorage", "0", 12, 8, [4], [1])
            .Tensor("column", "FloatStorage", "0", 12, 1, [3], [4])
            .Tensor("scalar", "FloatStorage", "0", 12, 11, [], [])
            .Tensor("parameter", "FloatStorage", "0", 12, 4, [2, 2], [2, 1], asParameter: true)
            .CloseDictionary().Storage("0", values).Save(_path);
        using var file = PickleFile.Open(_path);
        var grid = values.view(3, 4);

        Assert.Equal(6, file.Tensors.Count);
        Numbers.AssertClose(file.Read("whole"), grid, 0, "whole");
        Numbers.AssertClose(file.Read("transposed"), grid.t(), 0, "transposed");
        Numbers.AssertClose(file.Read("tail"), values[8..], 0, "tail");
        Numbers.AssertClose(file.Read("column", float64), grid.select(1, 1), 0, "column");
        Numbers.AssertClose(file.Read("scalar"), values[11], 0, "scalar");
        Numbers.AssertClose(file.Read("parameter"), values[4..8].view(2, 2), 0, "parameter");
    }

    [Theory]
    [InlineData("HalfStorage", ScalarType.Float16)]
    [InlineData("BFloat16Storage", ScalarType.BFloat16)]
    [InlineData("DoubleStorage", ScalarType.Float64)]
    [InlineData("LongStorage", ScalarType.Int64)]
    [InlineData("ByteStorage", ScalarType.Byte)]
    public void A_storage_of_any_dtype_is_read_into_float32(string storage, ScalarType dtype)
    {
        new PickledFile().OpenDictionary().Tensor("w", storage, "7", 6, 0, [2, 3], [3, 1]).CloseDictionary()
            .Storage("7", arange(6, float32).to(dtype)).Save(_path);
        using var file = PickleFile.Open(_path);

        Assert.Equal(dtype, file.Tensors["w"].Dtype);
        Numbers.AssertClose(file.Read("w", float32), arange(6, float32).view(2, 3), 0, "w");
    }

    [Theory]
    [InlineData("v3-tiny")]
    [InlineData("v3-heads6")]
    public void A_file_that_PyTorch_wrote_equals_its_safetensors_twin(string name)
    {
        using var pickle = PickleFile.Open(Repository.Shared("reference", "model", name, "pytorch_model.bin"));
        using var twin = SafetensorsFile.Open(Repository.Shared("reference", "model", name, "model.safetensors"));

        Assert.Equal(twin.Tensors.Keys.Order(), pickle.Tensors.Keys.Order());
        Assert.All(twin.Tensors.Keys, tensor => Numbers.AssertClose(pickle.Read(tensor), twin.Read(tensor), 0, tensor));
    }
}
