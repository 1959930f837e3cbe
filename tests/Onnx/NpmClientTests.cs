using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Model;
using NotebookLib.Onnx;
using NotebookLib.Tokenization;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Onnx;

/// <summary>
/// Other people's programs read an exported folder: npm's <c>tokenizers</c> (the Rust library) and <c>@huggingface/transformers</c>, which tests/npm/run.sh
/// installs. Without them the test is skipped. <c>NPM_MODEL</c> names another model to export, anything that <see cref="EntityTagger.Load"/> takes.
/// </summary>
public sealed class NpmClientTests : IDisposable
{
    private const int Sentences = 500;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("npm-clients-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Npms_clients_find_the_same_pieces_and_entities()
    {
        var clients = Repository.PathOf("obj", "npm-clients");
        Assert.SkipUnless(Directory.Exists(Path.Combine(clients, "node_modules")),
            "needs npm's tokenizers and @huggingface/transformers: tests/npm/run.sh installs them and runs this test");
        var model = Environment.GetEnvironmentVariable("NPM_MODEL") ?? SaveTagger(_folder.CreateSubdirectory("tagger").FullName);
        using var tagger = EntityTagger.Load(model, new LoadOptions());
        OnnxExport.Write(((ModelPieceScorer)tagger.Scorer).Model, tagger.Tokenizer, Path.Combine(_folder.FullName, "export"), OnnxPrecision.Float32);
        string[] texts = [.. SentenceReader.Open(Repository.PathOf("data", "sample", "test.parquet"), LabelSet.SystemA).Take(Sentences)
            .Select(sentence => string.Join(' ', sentence.Words))];

        var answers = await AskAsync(clients, texts);

        Assert.Equal(Sentences, answers.Count);
        var expected = tagger.Pipeline.Classify(texts, cancellation: TestContext.Current.CancellationToken);
        var found = 0;
        for (var text = 0; text < texts.Length; text++)
        {
            var encoding = tagger.Tokenizer.Encode(texts[text]);
            Assert.Equal(encoding.Ids, answers[text]!["ids"]!.AsArray().Select(id => id!.GetValue<int>()));
            // That client leaves out what it spells as nothing: unknown pieces, and a leading space that stands alone.
            var known = expected[text].Where(entity => encoding.Ids[entity.Index!.Value] != tagger.Tokenizer.Special.Unk && entity.Word != "▁").ToList();
            var entities = answers[text]!["entities"]!.AsArray();
            Assert.Equal(known.Select(entity => (entity.Index!.Value, entity.Label)),
                entities.Select(entity => (entity!["index"]!.GetValue<int>(), entity["entity"]!.GetValue<string>())));
            Assert.All(known.Zip(entities), pair => Assert.Equal(pair.First.Score, pair.Second!["score"]!.GetValue<float>(), 1e-4f));
            found += known.Count;
        }

        Assert.True(found > Sentences / 2, string.Create(CultureInfo.InvariantCulture, $"{found} entities in {Sentences} sentences are too few to compare"));
        TestContext.Current.SendDiagnosticMessage("{0} sentences, {1} entities", Sentences, found);
    }

    /// <summary>Saves the demo's network with a head that tells labels apart, as a model folder.</summary>
    internal static string SaveTagger(string folder)
    {
        using var model = ModelFolder.Load(Repository.PathOf("data", "tiny-deberta-v3"), new LoadOptions { Labels = LabelSet.SystemB }).Model;
        using (no_grad())
        {
            model.Classifier.Weight.mul_(50);
        }

        ModelFolder.Save(model, folder);
        DebertaTokenizer.Load(Repository.PathOf("data", "tiny-deberta-v3")).Save(folder);
        return folder;
    }

    private async Task<JsonArray> AskAsync(string clients, string[] texts)
    {
        var (question, answer) = (Path.Combine(_folder.FullName, "question.json"), Path.Combine(_folder.FullName, "answer.json"));
        await File.WriteAllTextAsync(question, new JsonArray([.. texts.Select(text => (JsonNode?)text)]).ToJsonString(), TestContext.Current.CancellationToken);
        var start = new ProcessStartInfo("node",
            [Path.Combine(clients, "ask.mjs"), Path.Combine(_folder.FullName, "export"), question, answer])
        { RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, error);
        return JsonNode.Parse(await File.ReadAllTextAsync(answer, TestContext.Current.CancellationToken))!.AsArray();
    }
}
