using Google.Protobuf;

namespace NotebookLib.Tests.Tokenization;

/// <summary>Writes SentencePiece models by hand, right ones and wrong ones.</summary>
internal sealed class SpmFile
{
    public List<(string Text, float Score, int Kind)> Pieces { get; init; } =
        [("[PAD]", 0, 3), ("[CLS]", 0, 3), ("[SEP]", 0, 3), ("[UNK]", 0, 2)];

    public int ModelType { get; init; } = 1;

    public int UnknownId { get; init; } = 3;

    public byte[]? CharsMap { get; init; }

    /// <summary>The committed model, trained by spm_train on text of our own (goldens/tokenizer/make.sh).</summary>
    public static string TinyPath => Repository.PathOf("tests", "goldens", "tokenizer", "tiny", "spm.model");

    /// <summary>DeBERTa's control pieces, and these.</summary>
    public static SpmFile With(params (string Text, float Score)[] pieces)
    {
        var file = new SpmFile();
        file.Pieces.AddRange(pieces.Select(piece => (piece.Text, piece.Score, 1)));
        return file;
    }

    public byte[] ToBytes()
    {
        using var memory = new MemoryStream();
        using (var output = new CodedOutputStream(memory, leaveOpen: true))
        {
            foreach (var (text, score, kind) in Pieces)
            {
                WriteMessage(output, 1, piece =>
                {
                    piece.WriteTag(1, WireFormat.WireType.LengthDelimited);
                    piece.WriteString(text);
                    piece.WriteTag(2, WireFormat.WireType.Fixed32);
                    piece.WriteFloat(score);
                    piece.WriteTag(3, WireFormat.WireType.Varint);
                    piece.WriteInt32(kind);
                });
            }

            WriteMessage(output, 2, trainer =>
            {
                trainer.WriteTag(3, WireFormat.WireType.Varint);
                trainer.WriteInt32(ModelType);
                trainer.WriteTag(40, WireFormat.WireType.Varint);
                trainer.WriteInt32(UnknownId);
            });
            if (CharsMap is not null)
            {
                WriteMessage(output, 3, normalizer =>
                {
                    normalizer.WriteTag(2, WireFormat.WireType.LengthDelimited);
                    normalizer.WriteBytes(ByteString.CopyFrom(CharsMap));
                });
            }
        }

        return memory.ToArray();
    }

    public static void WriteMessage(CodedOutputStream output, int field, Action<CodedOutputStream> write)
    {
        using var memory = new MemoryStream();
        using (var nested = new CodedOutputStream(memory, leaveOpen: true))
        {
            write(nested);
        }

        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(memory.ToArray()));
    }
}
