using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

public sealed class ShardedFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("shards-").FullName;
    private readonly DisposeScope _scope = NewDisposeScope();

    private string Index => Path.Combine(_folder, "model.safetensors.index.json");

    public void Dispose()
    {
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Tensors_are_found_in_the_file_that_the_index_names()
    {
        Shard("model-00001-of-00002.safetensors", "a", ones(2));
        Shard("model-00002-of-00002.safetensors", "b", zeros(3));
        File.WriteAllText(
            Index, """{"metadata":{"total_size":20},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}""");

        using var checkpoint = WeightFiles.OpenFolder(_folder);

        Assert.Equal(["a", "b"], checkpoint.Tensors.Keys.Order());
        Numbers.AssertClose(checkpoint.Read("a"), ones(2), 0, "a");
        Numbers.AssertClose(checkpoint.Read("b"), zeros(3), 0, "b");
    }

    [Theory]
    [InlineData("../secret.safetensors")]
    [InlineData("..\\\\secret.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("C:secret.safetensors")]
    [InlineData("sub/../../secret.safetensors")]
    [InlineData("..")]
    [InlineData("")]
    [InlineData("model.safetensors.index.json")]
    public void A_name_that_leads_out_of_the_folder_or_to_an_index_again_is_refused(string file)
    {
        File.WriteAllText(Index, $$$"""{"weight_map":{"a":"{{{file}}}"}}""");

        Assert.Contains("plain name", Assert.Throws<InvalidDataException>(() => ShardedFiles.Open(Index)).Message);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"weight_map":[1]}""")]
    [InlineData("""{"weight_map":{"a":1}}""")]
    [InlineData("""{"weight_map":{"a":"x","a":"y"}}""")]
    public void A_damaged_index_is_refused(string json)
    {
        File.WriteAllText(Index, json);

        Assert.Contains(Index, Assert.Throws<InvalidDataException>(() => ShardedFiles.Open(Index)).Message);
    }

    [Fact]
    public void A_missing_shard_and_a_missing_tensor_are_named()
    {
        File.WriteAllText(Index, """{"weight_map":{"a":"one.safetensors"}}""");
        Assert.Contains("one.safetensors", Assert.Throws<FileNotFoundException>(() => ShardedFiles.Open(Index)).Message);

        Shard("one.safetensors", "other", ones(1));
        Assert.Contains("no tensor named a", Assert.Throws<InvalidDataException>(() => ShardedFiles.Open(Index)).Message);
    }

    private void Shard(string file, string name, Tensor tensor) =>
        SafetensorsFile.Write(Path.Combine(_folder, file), new Dictionary<string, Tensor> { [name] = tensor });
}
