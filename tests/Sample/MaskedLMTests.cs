using NotebookLib.Batching;
using NotebookLib.Model;
using NotebookLib.SampleMaker.Model;
using NotebookLib.Tests.Model;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace NotebookLib.Tests.Sample;

public sealed class MaskedLMTests : IDisposable
{
    private static readonly string Golden = Repository.PathOf("tests", "goldens", "model", "v3-tiny");
    private readonly string _folder = Directory.CreateTempSubdirectory("mlm-").FullName;
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose()
    {
        _scope.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Its_head_has_the_names_and_shapes_of_the_Python_librarys()
    {
        using var model = DebertaV2ForMaskedLM.Load(Golden).Model;

        Assert.Equal(
            ["cls.predictions.bias [512]", "cls.predictions.transform.LayerNorm.bias [32]", "cls.predictions.transform.LayerNorm.weight [32]",
                "cls.predictions.transform.dense.bias [32]", "cls.predictions.transform.dense.weight [32, 32]"],
            model.named_parameters().Where(pair => pair.name.StartsWith("cls.", StringComparison.Ordinal))
                .Select(pair => $"{pair.name} [{string.Join(", ", pair.parameter.shape)}]").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Scores_are_the_transformed_states_times_the_word_embeddings()
    {
        using var model = DebertaV2ForMaskedLM.Load(Golden, new LoadOptions { Dtype = float64 }).Model;
        var (ids, mask) = (tensor(new long[,] { { 1, 5, 9, 2 }, { 1, 6, 2, 0 } }), tensor(new long[,] { { 1, 1, 1, 1 }, { 1, 1, 1, 0 } }));
        var w = model.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        var states = model.Deberta.call(ids, mask);
        var transformed = F.layer_norm(
            F.gelu(F.linear(states, w["cls.predictions.transform.dense.weight"], w["cls.predictions.transform.dense.bias"])), [32],
            w["cls.predictions.transform.LayerNorm.weight"], w["cls.predictions.transform.LayerNorm.bias"], 1e-7);
        var expected = matmul(transformed, w["deberta.embeddings.word_embeddings.weight"].t()) + w["cls.predictions.bias"];

        var isReal = mask.to(ScalarType.Bool);
        Numbers.AssertClose(model.call(ids, mask)[isReal], expected[isReal], 1e-12, "scores");
        using var batch = Batch.Of([new EncodedSentence([1, 5, 9, 2], new int[4], []), new([1, 6, 2], new int[3], [])]);
        Numbers.AssertClose(model.ScoresAt(batch, tensor(new long[] { 2, 5 })), stack([expected[0, 2], expected[1, 1]]), 1e-12, "chosen scores");
    }

    [Fact]
    public void A_saved_one_loads_back_and_its_encoder_serves_a_classifier()
    {
        using var model = DebertaV2ForMaskedLM.Load(Golden).Model;
        model.Save(_folder);
        var again = DebertaV2ForMaskedLM.Load(_folder, new LoadOptions { IsStrict = true });
        using var second = again.Model;
        var classifier = ModelFolder.Load(_folder);
        using var third = classifier.Model;

        Assert.True(again.Report.IsComplete);
        Assert.Equal(["classifier.bias", "classifier.weight"], classifier.Report.Missing);
        Assert.Equal(5, classifier.Report.Ignored.Count);
    }

    [Fact]
    public void Microsofts_names_of_the_head_are_understood()
    {
        using var model = DebertaV2ForMaskedLM.Load(Golden).Model;
        model.Save(_folder);
        var path = Path.Combine(_folder, "model.safetensors");
        var renamed = SafetensorsFile.ReadAll(path).ToDictionary(
            pair => pair.Key.Replace("cls.predictions.transform.", "lm_predictions.lm_head.").Replace("cls.predictions.", "lm_predictions.lm_head."),
            pair => pair.Value);
        SafetensorsFile.Write(path, renamed);

        var (second, report) = DebertaV2ForMaskedLM.Load(_folder, new LoadOptions { IsStrict = true });
        second.Dispose();
        Assert.Contains("cls.predictions.transform.LayerNorm.weight", report.Matched);
    }
}
