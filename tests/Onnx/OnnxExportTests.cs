using System.Text.Json.Nodes;
using NotebookLib.Inference;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Onnx;
using NotebookLib.Tests.Lora;
using NotebookLib.Tests.Model;
using NotebookLib.Tests.Runner;
using NotebookLib.Tokenization;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Onnx;

/// <summary>The exported folder, by the library and by the command.</summary>
public sealed class OnnxExportTests : IDisposable
{
    private static readonly string s_tiny = Repository.PathOf("data", "tiny-deberta-v3");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("onnx-export-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Adapters_are_merged_into_what_is_written_and_stay_on_the_model()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = LoraNetwork.Load();
        using var adapters = LoraAdapters.Load(LoraNetwork.AdapterFolder, model);
        var expected = LoraNetwork.Logits(model);

        var path = Assert.Single(OnnxExport.Write(model, DebertaTokenizer.Load(s_tiny), _folder.FullName, OnnxPrecision.Float32));

        Assert.True(adapters is { IsAttached: true, IsMerged: false });
        Assert.Equal(expected, LoraNetwork.Logits(model));
        using var graph = new OnnxNetwork(path);
        var (ids, mask) = (tensor(new long[,] { { 1, 5, 9, 44, 2, 0 }, { 1, 7, 8, 9, 10, 2 } }),
            tensor(new long[,] { { 1, 1, 1, 1, 1, 0 }, { 1, 1, 1, 1, 1, 1 } }));
        var isReal = mask.to(ScalarType.Bool);
        Numbers.AssertClose(graph.Run(ids, mask)[isReal], tensor(expected).view(2, 6, -1)[isReal], 1e-4, "logits");
    }

    [Fact]
    public void Weights_in_fewer_bits_are_refused()
    {
        using var model = LoraNetwork.Load();
        foreach (var parameter in model.parameters())
        {
            parameter.requires_grad = false;
        }

        FrozenWeights.Store(model, WeightStorage.Int8);

        Assert.Contains("stored as Int8",
            Assert.Throws<InvalidOperationException>(() =>
            OnnxExport.Write(model, DebertaTokenizer.Load(s_tiny), _folder.FullName, OnnxPrecision.Float32)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_writes_the_folder_that_clients_read()
    {
        var model = SaveTagger();
        var target = Path.Combine(_folder.FullName, "an export");

        var (code, output, error) = await RunnerProcess.FinishAsync(
            RunnerProcess.Start("export", model, "--to", "onnx", "-o", target, "--dtype", "float32", "float16", "int8"));

        Assert.True(code == 0, error);
        string[] files = ["config.json", "onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_quantized.onnx", "special_tokens_map.json", "spm.model",
            "tokenizer.json", "tokenizer_config.json"];
        Assert.Equal(files.Select(file => Path.Combine(target, file)),
            output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(" (")[0]));
        Assert.Equal("PreTrainedTokenizerFast",
            JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(target, "tokenizer_config.json"), TestContext.Current.CancellationToken))![
            "tokenizer_class"]!.GetValue<string>());
        Assert.Equal(Directory.GetDirectories(_folder.FullName).Order(), [target, model]);
        AssertSameTags(model, target);
    }

    [Fact]
    public async Task What_cannot_be_done_is_said_and_nothing_is_touched()
    {
        var model = SaveTagger();
        var precious = Path.Combine(_folder.CreateSubdirectory("precious").FullName, "thesis.txt");
        await File.WriteAllTextAsync(precious, "years", TestContext.Current.CancellationToken);
        foreach (var (arguments, expected) in new (string[], string)[]
        {
            ([model, "-o", Path.GetDirectoryName(precious)!],
                "is not empty and was left as it is. Name another folder with --output, or replace an export with --force."),
            ([model, "-o", Path.GetDirectoryName(precious)!, "--force"], "holds something else than an export and was left as it is."),
            ([model, "-o", precious], "is a file; name a folder with --output."),
            ([Path.Combine(_folder.FullName, "nowhere"), "-o", Path.Combine(_folder.FullName, "out")], "no such folder"),
            ([s_tiny, "-o", Path.Combine(_folder.FullName, "out")], "has weights, but none for tagging"),
        })
        {
            var (code, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start(["export", "--to", "onnx", .. arguments]));

            Assert.Equal(2, code);
            Assert.Contains(expected, error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        }

        Assert.Equal("years", await File.ReadAllTextAsync(precious, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_second_file_is_named_where_transformers_js_looks_for_it()
    {
        using var model = LoraNetwork.Load();

        OnnxExport.Write(model, DebertaTokenizer.Load(s_tiny), _folder.FullName, [OnnxPrecision.Float32], 10_000);

        Assert.True(File.Exists(Path.Combine(_folder.FullName, "onnx", "model.onnx_data")));
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder.FullName, "config.json")))!;
        Assert.True(config["transformers.js_config"]!["use_external_data_format"]!["model.onnx"]!.GetValue<bool>());
        Assert.Equal(model.Config.ToJson(),
            DebertaConfig.Read(Path.Combine(_folder.FullName, "config.json"))
            switch
            { var read => (read with { OtherKeys = model.Config.OtherKeys }).ToJson() });
    }

    /// <summary>The demo's network with a head that tells labels apart.</summary>
    private string SaveTagger()
    {
        var folder = _folder.CreateSubdirectory("tagger").FullName;
        NpmClientTests.SaveTagger(folder);
        return folder;
    }

    private static void AssertSameTags(string model, string export)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var tagger = EntityTagger.Load(model, new LoadOptions());
        using var graph = new OnnxNetwork(Path.Combine(export, "onnx", "model.onnx"));
        var ids = tensor(DebertaTokenizer.Load(export).Encode("Otto Keller left Hamburg for the Baltic Sea.").Ids.Select(id => (long)id)
            .ToArray()).unsqueeze(0);
        Numbers.AssertClose(graph.Run(ids, ones_like(ids)), ((ModelPieceScorer)tagger.Scorer).Model.call(ids, ones_like(ids)), 1e-4, "logits");
    }
}
