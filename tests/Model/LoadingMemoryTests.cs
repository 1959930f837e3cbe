using NotebookLib.Model;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

[Collection(ProcessMemoryTestGroup.Name)]
public sealed class LoadingMemoryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("memory-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Loading_half_precision_needs_at_most_1_3_times_the_float32_size()
    {
        // An embedding like xsmall's, 49 million numbers: 98 MB in the file, 197 MB in memory.
        var config = DebertaConfig.Read(Repository.PathOf("tests", "goldens", "model", "v3-tiny", "config.json")) with
        { VocabSize = 128_100, HiddenSize = 384, NumHiddenLayers = 1, NumAttentionHeads = 6 };
        var bytes = Save(config);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.SkipUnless(ResidentMemory.TryResetPeak(), "this system does not tell the peak of resident memory");
        var before = ResidentMemory.CurrentBytes;

        using var model = ModelFolder.Load(_folder).Model;

        var grown = ResidentMemory.PeakBytes - before;
        Assert.True(grown < 1.3 * bytes, $"peak {grown >> 20} MB for {bytes >> 20} MB");
        Assert.Equal(float32, model.Classifier.Weight.dtype);
    }

    private long Save(DebertaConfig config)
    {
        using var scope = NewDisposeScope();
        using var model = new DebertaV2ForTokenClassification(new ModelBuild(config));
        using var quiet = no_grad();
        File.WriteAllText(Path.Combine(_folder, "config.json"), config.ToJson());
        SafetensorsFile.Write(
            Path.Combine(_folder, "model.safetensors"),
            model.named_parameters().Select(pair => KeyValuePair.Create(pair.name, pair.parameter.detach().zero_().to(float16))));
        return model.parameters().Sum(parameter => parameter.numel()) * sizeof(float);
    }
}
