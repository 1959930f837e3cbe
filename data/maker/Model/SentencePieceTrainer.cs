using System.ComponentModel;
using System.Diagnostics;
using NotebookLib.Platform;

namespace NotebookLib.SampleMaker.Model;

/// <summary>
/// Makes a SentencePiece unigram model with the program <c>spm_train</c>: the options that the trainer and normaliser specifications inside
/// microsoft/deberta-v3's spm.model name, with a small vocabulary.
/// </summary>
public static class SentencePieceTrainer
{
    /// <summary>Pieces, the four special ones and 256 bytes included; <c>[MASK]</c> comes behind them.</summary>
    public const int VocabularySize = 5000;

    private const int FewestOccurrences = 4;

    // Whatever a reader types should have pieces, even where the sample never uses the character.
    private const string RequiredCharacters = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
        + "–—‘’“”£€°§±×ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿĀāĂăąćČčĎďęěğįİıĽľŁłńňŌōőœřŚśşŠšťŪūůűŹźŻżŽž";

    // Left out: DeBERTa's seed pieces came from a file that is not public; here spm_train finds its own.
    private static readonly string[] Options =
    [
        "--model_type=unigram", $"--vocab_size={VocabularySize}", "--character_coverage=0.999997", "--shrinking_factor=0.75", "--num_sub_iterations=2",
        "--max_sentencepiece_length=32", "--split_by_unicode_script=true", "--split_by_number=true", "--split_by_whitespace=true", "--split_digits=false",
        "--byte_fallback=true", "--pad_id=0", "--bos_id=1", "--eos_id=2", "--unk_id=3", "--pad_piece=[PAD]", "--bos_piece=[CLS]", "--eos_piece=[SEP]",
        "--unk_piece=[UNK]", "--normalization_rule_name=nmt_nfkc", "--add_dummy_prefix=true", "--remove_extra_whitespaces=true",
        $"--required_chars={RequiredCharacters}",
        "--num_threads=1",
    ];

    /// <summary>Trains a model on lines of text.</summary>
    /// <param name="lines">One sentence each.</param>
    /// <param name="modelPath">Where <c>spm.model</c> goes.</param>
    /// <exception cref="InvalidOperationException"><c>spm_train</c> is missing or failed; the message says what to install or what it said.</exception>
    public static void Train(IEnumerable<string> lines, string modelPath)
    {
        // The model records its input's name: relative names keep this machine's folders out of the committed file.
        var folder = Directory.CreateTempSubdirectory("sample-spm-").FullName;
        try
        {
            List<string> text = [.. lines];
            File.WriteAllLines(Path.Combine(folder, "sample.txt"), text.Concat(WordsWithComma(text)));
            Run(folder, [.. Options, "--input=sample.txt", "--model_prefix=spm", "--minloglevel=1"]);
            AtomicFile.Write(modelPath, target => target.Write(File.ReadAllBytes(Path.Combine(folder, "spm.model"))));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// Every word that occurs often enough once more, with a comma. spm_train's first candidates are strings that occur in two different words (it counts
    /// distinct words, not occurrences): in a small text "from" never stands before punctuation, and would be cut into "fro" and "m".
    /// </summary>
    private static IEnumerable<string> WordsWithComma(IEnumerable<string> lines) =>
        lines.SelectMany(line => line.Split(' ')).CountBy(word => word).Where(pair => pair.Value >= FewestOccurrences && pair.Key.All(char.IsLetter))
            .Select(pair => pair.Key + ",").Order(StringComparer.Ordinal);

    private static void Run(string folder, string[] arguments)
    {
        var start = new ProcessStartInfo("spm_train", arguments) { WorkingDirectory = folder, RedirectStandardError = true };
        try
        {
            using var process = Process.Start(start)!;
            var complaints = process.StandardError.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                throw new InvalidOperationException($"spm_train ended with code {process.ExitCode}: {complaints.Trim()}");
            }
        }
        catch (Win32Exception error)
        {
            throw new InvalidOperationException(
                "spm_train was not found. It comes with SentencePiece: apt-get install sentencepiece (Debian, Ubuntu), brew install sentencepiece (macOS). "
                + "The committed tokenizer under data/tiny-deberta-v3 works without it.", error);
        }
    }
}
