using System.CommandLine;
using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Onnx;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Metrics;
using NotebookLib.Onnx;

namespace NotebookLib.Bench.Study;

/// <summary>
/// The verb <c>exports</c>: a trained model's ONNX graphs through ONNX Runtime beside the network itself, on sentences with gold tags: what float16 and int8
/// cost in F1, and how many words get another tag.
/// </summary>
internal static class ExportScores
{
    /// <summary>Makes the verb.</summary>
    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "The folder of a run or a saved model" };
        var data = new Option<string?>("--data") { Description = "Sentences with gold tags [default: data/sample/test.parquet]", HelpName = "file" };
        var command = new Command("exports", "F1 of a model's ONNX exports in float32, float16 and int8") { model, data };
        command.SetAction(arguments => Run(arguments.GetValue(model)!, arguments.GetValue(data) ?? Folders.PathOf("data", "sample", "test.parquet")));
        return command;
    }

    private static int Run(string source, string data)
    {
        try
        {
            using var tagger = EntityTagger.Load(source);
            Compare(tagger, [.. SentenceReader.Open(data, tagger.Labels)]);
            return 0;
        }
        catch (Exception error) when (error is IOException or InvalidDataException or ArgumentException)
        {
            Console.Error.WriteLine(error.Message);
            return 2;
        }
    }

    private static void Compare(EntityTagger tagger, Sentence[] sentences)
    {
        var own = Tags(tagger, sentences);
        Console.WriteLine(Invariant($"{sentences.Length:N0} sentences, {sentences.Sum(sentence => sentence.Words.Count):N0} words; ")
            + Invariant($"the network itself: F1 {F1(tagger.Labels, sentences, own):0.0000}"));
        var folder = Directory.CreateTempSubdirectory("bench-exports-");
        try
        {
            OnnxPrecision[] precisions = [OnnxPrecision.Float32, OnnxPrecision.Float16, OnnxPrecision.Int8];
            var paths = OnnxExport.Write(((ModelPieceScorer)tagger.Scorer).Model, tagger.Tokenizer, folder.FullName, precisions);
            foreach (var (precision, path) in precisions.Zip(paths))
            {
                using var network = new OnnxNetwork(path);
                using var exported = new EntityTagger(tagger.Tokenizer, new OnnxScorer(network, tagger.Scorer));
                var tags = Tags(exported, sentences);
                var changed = own.Zip(tags).Sum(pair => pair.First.Zip(pair.Second).Count(tag => tag.First != tag.Second));
                Console.WriteLine(Invariant($"{precision}: F1 {F1(tagger.Labels, sentences, tags):0.0000}, {changed:N0} words with another tag"));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static IReadOnlyList<int>[] Tags(EntityTagger tagger, Sentence[] sentences) =>
        [.. tagger.TagAll([.. sentences.Select(sentence => sentence.Words)]).Select(tagged => tagged.Sentence.Tags)];

    private static double F1(LabelSet labels, Sentence[] sentences, IReadOnlyList<int>[] tags) => SequenceScores.Compute(
        [.. sentences.Select(sentence => Named(labels, sentence.Tags))], [.. tags.Select(own => Named(labels, own))], EntityScheme.Lenient).Micro.F1;

    private static string[] Named(LabelSet labels, IReadOnlyList<int> tags) => [.. tags.Select(tag => labels.Names[tag])];

    /// <summary>A graph as a scorer: a sentence at a time, since an int8 logit depends on its neighbours in a batch.</summary>
    private sealed class OnnxScorer(OnnxNetwork network, IPieceScorer original) : IPieceScorer
    {
        public IReadOnlyList<string> Labels => original.Labels;

        public int MaximumPieces => original.MaximumPieces;

        public IReadOnlyList<float[]> Score(IReadOnlyList<int[]> inputIds, CancellationToken cancellation) => [.. inputIds.Select(ids =>
        {
            cancellation.ThrowIfCancellationRequested();
            using var logits_1LK = network.Run([new EncodedSentence(ids, new int[ids.Length], [])]);
            return logits_1LK.data<float>().ToArray();
        })];
    }
}
