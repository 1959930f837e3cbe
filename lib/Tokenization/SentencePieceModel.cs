using Google.Protobuf;

namespace NotebookLib.Tokenization;

/// <summary>What a piece is for (<c>SentencePiece.Type</c> of sentencepiece_model.proto).</summary>
internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>One entry of the vocabulary; its id is its position.</summary>
internal readonly record struct VocabularyPiece(string Text, double Score, PieceKind Kind);

/// <summary>
/// The parts of a SentencePiece model that tokenizing needs, read from its protobuf (field numbers of google/sentencepiece, src/sentencepiece_model.proto).
/// The file is treated as hostile: sizes are bounded, and everything that the tokenizer later relies on is checked here.
/// </summary>
internal sealed class SentencePieceModel
{
    /// <summary>The real model has 2.5 MB; a larger file than this is no vocabulary that we could have been meant to read.</summary>
    private const long LongestFile = 32 << 20;

    private const int UnigramModelType = 1;

    private SentencePieceModel(string source, byte[] file)
    {
        Source = source;
        File = file;
    }

    /// <summary>Where it came from, for messages.</summary>
    public string Source { get; }

    /// <summary>The whole file, so that a model folder can be given its own copy.</summary>
    public byte[] File { get; }

    /// <summary>The vocabulary, in id order.</summary>
    public List<VocabularyPiece> Pieces { get; } = [];

    /// <summary>Id of the piece that stands for unknown text.</summary>
    public int UnknownId { get; private set; }

    /// <summary>The compiled normalisation rules, or empty when the model does not normalise.</summary>
    public byte[] CharsMap { get; private set; } = [];

    private int ModelType { get; set; } = UnigramModelType;

    /// <summary>Reads and checks a model.</summary>
    /// <param name="path">A file such as <c>spm.model</c>.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is not a whole unigram model; the message says what is wrong with it.</exception>
    public static SentencePieceModel Read(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            throw new FileNotFoundException($"{path}: no such file; expected a SentencePiece model (spm.model of a DeBERTa-v3 checkpoint).", path);
        }

        if (file.Length is 0 or > LongestFile)
        {
            throw new InvalidDataException(Invariant($"{path}: {file.Length:N0} bytes; expected a SentencePiece model of 1 byte to {LongestFile >> 20} MB."));
        }

        return Parse(System.IO.File.ReadAllBytes(path), path);
    }

    /// <summary>Reads and checks a model that is already in memory.</summary>
    /// <inheritdoc cref="Read" path="/exception"/>
    public static SentencePieceModel Parse(byte[] file, string source)
    {
        var model = new SentencePieceModel(source, file);
        try
        {
            model.ReadModel(new CodedInputStream(file));
        }
        catch (Exception error) when (error is InvalidProtocolBufferException or System.Text.DecoderFallbackException)
        {
            throw new InvalidDataException(
                $"{source}: not a whole SentencePiece model ({error.Message.TrimEnd('.')}); is the file truncated, or another kind of file? Fetch it again.",
                error);
        }

        model.CheckWhole();
        return model;
    }

    private void ReadModel(CodedInputStream input)
    {
        while (input.ReadTag() is not 0 and var tag)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1:
                    Pieces.Add(ReadPiece(Message(input, tag)));
                    break;
                case 2:
                    ReadTrainer(Message(input, tag));
                    break;
                case 3:
                    ReadNormalizer(Message(input, tag));
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }
    }

    private static VocabularyPiece ReadPiece(CodedInputStream input)
    {
        var (text, score, kind) = (string.Empty, 0f, PieceKind.Normal);
        while (input.ReadTag() is not 0 and var tag)
        {
            switch (tag)
            {
                case (1 << 3) | 2:
                    text = StrictUtf8.GetString(input.ReadBytes().Span);
                    break;
                case (2 << 3) | 5:
                    score = input.ReadFloat();
                    break;
                case 3 << 3:
                    kind = (PieceKind)input.ReadInt32();
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        return new(text, score, kind);
    }

    private void ReadTrainer(CodedInputStream input)
    {
        while (input.ReadTag() is not 0 and var tag)
        {
            switch (tag)
            {
                case 3 << 3:
                    ModelType = input.ReadInt32();
                    break;
                case 40 << 3:
                    UnknownId = input.ReadInt32();
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }
    }

    private void ReadNormalizer(CodedInputStream input)
    {
        while (input.ReadTag() is not 0 and var tag)
        {
            if (tag == ((2 << 3) | 2))
            {
                CharsMap = input.ReadBytes().ToByteArray();
            }
            else
            {
                input.SkipLastField();
            }
        }
    }

    private CodedInputStream Message(CodedInputStream input, uint tag) =>
        WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited
            ? input.ReadBytes().CreateCodedInput()
            : throw Damaged($"its field {WireFormat.GetTagFieldNumber(tag)} is not a message, so it is another kind of file");

    private static System.Text.UTF8Encoding StrictUtf8 { get; } = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private void CheckWhole()
    {
        if (Pieces.Count == 0)
        {
            throw Damaged("it has no pieces; expected a vocabulary");
        }

        if (ModelType != UnigramModelType)
        {
            var name = ModelType switch { 2 => "BPE", 3 => "word", 4 => "character", _ => "unknown" };
            throw Damaged($"its model type is {ModelType} ({name}); expected 1 (unigram), as DeBERTa-v3 uses");
        }

        if (UnknownId < 0 || UnknownId >= Pieces.Count || Pieces[UnknownId].Kind != PieceKind.Unknown)
        {
            throw Damaged(Invariant($"its unknown id {UnknownId} names no unknown piece among {Pieces.Count:N0} pieces"));
        }

        var seen = new HashSet<string>(Pieces.Count, StringComparer.Ordinal);
        for (var id = 0; id < Pieces.Count; id++)
        {
            if (Pieces[id].Text.Length == 0 || !double.IsFinite(Pieces[id].Score) || !seen.Add(Pieces[id].Text))
            {
                throw Damaged(Invariant($"piece {id} (\"{Pieces[id].Text}\", score {Pieces[id].Score}) is empty, not finite, or there twice"));
            }
        }
    }

    private InvalidDataException Damaged(string problem) => new($"{Source}: {problem}. Fetch the file again, or make it with spm_train --model_type=unigram.");
}
