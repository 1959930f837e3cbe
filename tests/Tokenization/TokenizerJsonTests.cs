extern alias runner;

using System.IO.Compression;
using System.Text.Json.Nodes;
using CsCheck;
using NotebookLib.Tokenization;
using runner::NotebookRunner.Verification;

namespace NotebookLib.Tests.Tokenization;

public sealed class TokenizerJsonTests : IDisposable
{
    private static readonly DebertaTokenizer s_tiny = DebertaTokenizer.Load(SpmFile.TinyPath);

    private static readonly Gen<string> s_text = Gen.OneOf(
        Gen.Char["abcdehilnorstu .,019"].Select(character => character.ToString()),
        Gen.OneOf(new[] { "the", " of ", "  ", "\t", "\u0007", "…", "½", "e\u0301", "é", "ﬁ", "Ａ", "[UNK]", "[MASK]", "[CLS", "▁", "\u200b", "\r\n", "😀", "日本",
            "\ud800" }.Select(Gen.Const).ToArray()))
        .List[0, 14].Select(string.Concat);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("tokenizer-json-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void All_kinds_give_the_ids_word_ids_and_offsets_of_the_Rust_library()
    {
        var rows = TokenizerJsonChecks.Golden.Run(Repository.Shared("reference", "tokenizer-json"), new()).ToList();

        Assert.Equal((19 * 10) + 4, rows.Count);
        Assert.All(rows, row => Assert.True(row.IsOk, $"{row}"));
    }

    [Fact]
    public void Folders_of_transformers_5_give_its_logits_and_its_pipelines_entities()
    {
        var rows = Transformers5Checks.Golden.Run(Repository.Shared("reference", "transformers-5"), new()).ToList();

        Assert.Equal((3 * 2) + 10, rows.Count);
        Assert.All(rows, row => Assert.True(row.IsOk, $"{row}"));
    }

    [Fact]
    public void What_is_written_of_the_real_model_says_what_Python_writes()
    {
        File.Copy(Repository.Shared("reference", "tokenizer", "spm.model"), Path.Combine(_folder.FullName, "spm.model"));
        var saved = _folder.CreateSubdirectory("saved").FullName;

        DebertaTokenizer.Load(_folder.FullName).Save(saved);

        using var gzip = new GZipStream(File.OpenRead(Repository.Shared("reference", "tokenizer-json", "deberta-v3-4.57", "tokenizer.json.gz")),
            CompressionMode.Decompress);
        var (ours, theirs) = (JsonNode.Parse(File.ReadAllText(Path.Combine(saved, "tokenizer.json")))!, JsonNode.Parse(gzip)!);
        foreach (var metaspace in (JsonNode[])[ours["decoder"]!, ours["pre_tokenizer"]!["pretokenizers"]![0]!])
        {
            Assert.True(metaspace["add_prefix_space"]!.GetValue<bool>());
            metaspace.AsObject().Remove("add_prefix_space");
        }

        Assert.Equal(theirs.AsObject().Select(pair => pair.Key).Order(), ours.AsObject().Select(pair => pair.Key).Order());
        Assert.All(theirs.AsObject(), pair => Assert.True(JsonNode.DeepEquals(pair.Value, ours[pair.Key]), pair.Key));
        Assert.Equal("PreTrainedTokenizerFast",
            JsonNode.Parse(File.ReadAllText(Path.Combine(saved, "tokenizer_config.json")))!["tokenizer_class"]!.GetValue<string>());
    }

    [Fact]
    public void The_written_file_gives_what_the_model_gives()
    {
        var fast = DebertaTokenizer.Load(WriteTiny());

        Assert.Equal(s_tiny.Special, fast.Special);
        Assert.Equal(s_tiny.VocabularySize, fast.VocabularySize);
        s_text.Sample(text =>
        {
            AssertSame(s_tiny.Encode(text), fast.Encode(text));
            AssertSame(s_tiny.EncodeWords([text, "goat"]), fast.EncodeWords([text, "goat"]));
            Assert.Equal(s_tiny.Decode(s_tiny.Encode(text).Ids), fast.Decode(fast.Encode(text).Ids));
        }, iter: 2000);
    }

    [Fact]
    public void A_fast_tokenizer_stays_what_it_was_byte_for_byte()
    {
        var file = WriteTiny(json => json["normalizer"] = JsonNode.Parse("""{"type": "NFKC"}"""));
        var saved = _folder.CreateSubdirectory("saved").FullName;

        DebertaTokenizer.Load(Path.GetDirectoryName(file)!).Save(saved);

        Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(saved, "tokenizer.json")));
        Assert.False(File.Exists(Path.Combine(saved, "spm.model")));
    }

    [Theory]
    [InlineData("{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\"}")]
    [InlineData("{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"\\\\s\"}, \"content\": \"\"}")]
    public void Blanks_that_the_normaliser_takes_out_separate_nothing(string normaliser)
    {
        var tokenizer = DebertaTokenizer.Load(WriteTiny(json => json["normalizer"] = JsonNode.Parse(normaliser)));

        Assert.Equal(tokenizer.Encode("thegoatsof").Ids, tokenizer.Encode("the goats of").Ids);
    }

    [Fact]
    public void Cleaning_leaves_what_Unicode_has_not_assigned() =>
        Assert.Equal("a\u0378b", TextNormalizer.Bert(cleansText: true, spacesIdeographs: true, stripsAccents: true, lowersCase: true)
            .Normalize(AlignedText.Of("a\u0378\u200B\u0007b")).ToString());

    [Fact]
    public void A_token_that_takes_the_blanks_behind_it_leaves_none_to_the_next()
    {
        var next = s_tiny.VocabularySize;
        var tokenizer = DebertaTokenizer.Load(WriteTiny(json => json["added_tokens"]!.AsArray().Add(new JsonObject
        {
            ["id"] = next,
            ["content"] = "  ",
            ["single_word"] = false,
            ["lstrip"] = true,
            ["rstrip"] = true,
            ["normalized"] = false,
            ["special"] = false,
        })));

        Assert.Equal([next], tokenizer.Encode("a      b").Ids.Where(id => id == next));
    }

    [Fact]
    public void Of_two_files_tokenizer_json_counts_and_what_differs_is_said()
    {
        WriteTiny(json => json["normalizer"] = JsonNode.Parse("""{"type": "NFC"}"""));
        File.Copy(SpmFile.TinyPath, Path.Combine(_folder.FullName, "spm.model"));

        var tokenizer = DebertaTokenizer.Load(_folder.FullName);

        Assert.Contains("the first counts, as in Python: \"½ ﬁne\" becomes [CLS] ▁ [UNK]", tokenizer.Remark, StringComparison.Ordinal);
        Assert.NotEqual(s_tiny.Encode("½").Ids, tokenizer.Encode("½").Ids);
    }

    [Fact]
    public void Two_files_that_agree_need_no_word_and_both_are_saved()
    {
        WriteTiny();
        File.Copy(SpmFile.TinyPath, Path.Combine(_folder.FullName, "spm.model"));
        var saved = _folder.CreateSubdirectory("saved").FullName;

        var tokenizer = DebertaTokenizer.Load(_folder.FullName);
        tokenizer.Save(saved);

        Assert.Null(tokenizer.Remark);
        Assert.Equal(File.ReadAllBytes(SpmFile.TinyPath), File.ReadAllBytes(Path.Combine(saved, "spm.model")));
    }

    [Fact]
    public void A_folder_without_a_tokenizer_is_told_what_would_do()
    {
        var message = Assert.Throws<FileNotFoundException>(() => DebertaTokenizer.Load(_folder.FullName)).Message;

        Assert.Contains("holds no tokenizer; expected tokenizer.json (a fast tokenizer with a Unigram model) or spm.model (SentencePiece)", message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("normalizer", """{"type": "ByteLevel"}""", "its normalizer has the part ByteLevel")]
    [InlineData("normalizer", """{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Of Tomorrow"}]}""", "its normalizer has the part Of Tomorrow")]
    [InlineData("normalizer", """{"type": "Replace", "pattern": {"Regex": "\\p{Han}"}, "content": ""}""", "has \\p{Han}")]
    [InlineData("normalizer", """{"type": "Replace", "pattern": {"Regex": "a++"}, "content": ""}""", "has a possessive quantifier")]
    [InlineData("pre_tokenizer", """{"type": "UnicodeScripts"}""", "its pre_tokenizer has the part UnicodeScripts")]
    [InlineData("pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}""", "\"(\" is no regular expression")]
    [InlineData("post_processor", """{"type": "ByteLevel"}""", "its post_processor has the part ByteLevel")]
    [InlineData("decoder", """{"type": "CTC"}""", "its decoder has the part CTC")]
    [InlineData("model", """{"type": "BPE", "vocab": {}, "merges": []}""", "its model is BPE; only Unigram models are read here")]
    [InlineData("model", """{"type": "Unigram", "unk_id": null, "vocab": [["a", 0]]}""", "its unk_id is null")]
    [InlineData("model", """{"type": "Unigram", "unk_id": 0, "vocab": [["a"]]}""", "piece 0 of its vocabulary is [\"a\"]; expected a text and a score")]
    [InlineData("model", """{"type": "Unigram", "unk_id": 0, "vocab": [["a", "b"]]}""", "not a whole tokenizer.json")]
    [InlineData("model", """{"type": "Unigram", "unk_id": 0}""", "its model has no vocab")]
    [InlineData("added_tokens", """[{"id": 9, "content": "[CLS]"}]""", "its added token \"[CLS]\" says id 9; its place in the vocabulary gives it 1")]
    public void What_is_not_known_or_damaged_is_refused_by_name(string part, string json, string expected)
    {
        var file = WriteTiny(root => root[part] = JsonNode.Parse(json));

        var error = Record.Exception(() => DebertaTokenizer.Load(file));

        Assert.True(error is NotSupportedException or InvalidDataException, $"{error}");
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.StartsWith(file, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_case_of_a_fast_tokenizer_alone_is_read_as_such() =>
        Assert.Contains("its unk_id is 3; expected a piece among its 1",
            Assert.Throws<InvalidDataException>(() => DebertaTokenizer.Load(Repository.Shared("cases", "models", "fast-only"))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Damage_anywhere_is_refused_or_harmless()
    {
        var whole = File.ReadAllBytes(WriteTiny());
        var file = Path.Combine(_folder.FullName, "damaged.json");
        for (var at = 11; at < whole.Length; at += 997)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= (byte)(0xFF >> (at % 5));
            foreach (var content in (byte[][])[damaged, whole[..at]])
            {
                File.WriteAllBytes(file, content);
                var error = Record.Exception(() => DebertaTokenizer.Load(file).Encode("the [MASK] of ½ goats"));
                Assert.True(error is null or InvalidDataException or NotSupportedException, $"byte {at}: {error}");
            }
        }
    }

    [Theory]
    [InlineData("e\u0301\u0327 가 ½", "ȩ́ 가 ½", true, false)]
    [InlineData("ﬁ ½ Å \u1100\u1161\u11A8", "fi 1⁄2 Å 각", true, true)]
    [InlineData("각 é", "\u1100\u1161\u11A8 e\u0301", false, false)]
    public void The_four_forms_are_Unicodes(string text, string expected, bool isComposed, bool isCompatible) =>
        Assert.Equal(expected, new UnicodeForm(isCompatible, isComposed).Normalize(AlignedText.Of(text)).ToString());

    [Theory]
    [InlineData("e\u0301\u0F71", "e")]
    [InlineData("\U00011938", "\U00011938")] // a mark since Unicode 13, which the reference's library does not know
    public void Accents_go_that_Unicode_9_has(string text, string expected) =>
        Assert.Equal(expected, TextNormalizer.StripAccents.Normalize(AlignedText.Of(text)).ToString());

    [Theory]
    [InlineData("\\d{3}|[A-Z]+(?=[a-z])", "123ABc", "123|AB|c")]
    [InlineData("\\w+", "ab-é😀𝒳", "ab|-|é|😀|𝒳")]
    [InlineData("(?m:a.b)", "xa\nby", "x|a\nb|y")]
    [InlineData("[\\h]+", "xyzff0", "xyz|ff0")]
    [InlineData("\\p{^L}", "a1b", "a|1|b")]
    [InlineData("b{,2}c", "abbc", "a|bbc")]
    [InlineData("\\w+", "a²ⓐ①", "a²ⓐ|①")]
    [InlineData("[\\w]+", "a²ⓐ①", "a|²|ⓐ|①")]
    public void Expressions_are_Onigurumas(string pattern, string text, string expected)
    {
        var aligned = AlignedText.Of(text);

        Assert.Equal(
            expected, string.Join('|', TextPattern.Expression(pattern).Cut(aligned).Select(stretch => aligned.Slice(stretch.From, stretch.To).ToString())));
    }

    /// <summary>The committed model's tokenizer.json, changed.</summary>
    private string WriteTiny(Action<JsonObject>? change = null)
    {
        var file = Path.Combine(_folder.FullName, "tokenizer.json");
        using var memory = new MemoryStream();
        SentencePieceParts.Write(memory, SentencePieceModel.Read(SpmFile.TinyPath));
        var json = JsonNode.Parse(memory.ToArray())!.AsObject();
        change?.Invoke(json);
        File.WriteAllText(file, json.ToJsonString());
        return file;
    }

    private static void AssertSame(Encoding expected, Encoding actual)
    {
        Assert.Equal(expected.Ids, actual.Ids);
        Assert.Equal(expected.WordIds, actual.WordIds);
        Assert.Equal(expected.Offsets, actual.Offsets);
    }
}
