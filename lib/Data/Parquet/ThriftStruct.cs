using System.Buffers.Binary;
using System.Text;

namespace NotebookLib.Data;

/// <summary>
/// A struct in Thrift's compact protocol, in which Parquet keeps its metadata, as values by field number. Every step consumes bytes and lists claim no more
/// entries than bytes are left, so damaged metadata ends in an exception and never in a loop.
/// </summary>
internal sealed class ThriftStruct
{
    private readonly Dictionary<int, object> _fields = [];

    private ThriftStruct()
    {
    }

    /// <summary>Reads one struct.</summary>
    /// <param name="bytes">Begin with it; may go on behind it.</param>
    /// <param name="length">How many bytes it takes.</param>
    /// <exception cref="InvalidDataException">It is damaged or cut off.</exception>
    public static ThriftStruct Read(ReadOnlyMemory<byte> bytes, out int length)
    {
        var reader = new Reader(bytes);
        var result = reader.ReadStruct(0);
        length = reader.Position;
        return result;
    }

    /// <summary>A number, or null where the field is missing.</summary>
    public long? Number(int field) => Find<long?>(field);

    /// <summary>A number that cannot be missing.</summary>
    public long Required(int field, string name) => Number(field) ?? throw new InvalidDataException($"its metadata lack {name}");

    /// <summary>A text, or null.</summary>
    public string? Text(int field) => Find<ReadOnlyMemory<byte>?>(field) is { } bytes ? Encoding.UTF8.GetString(bytes.Span) : null;

    /// <summary>A struct within, or null.</summary>
    public ThriftStruct? Struct(int field) => Find<ThriftStruct>(field);

    /// <summary>The structs of a list; none where the field is missing.</summary>
    public IReadOnlyList<ThriftStruct> Structs(int field) => [.. (Find<List<object>>(field) ?? []).OfType<ThriftStruct>()];

    /// <summary>Whether one of the fields is there: which member of a union it is.</summary>
    public bool HasAny(params ReadOnlySpan<int> fields)
    {
        foreach (var field in fields)
        {
            if (_fields.ContainsKey(field))
            {
                return true;
            }
        }

        return false;
    }

    private T? Find<T>(int field) => _fields.TryGetValue(field, out var value)
        ? value is T found ? found : throw new InvalidDataException($"field {field} of its metadata has another type") : default;

    /// <summary>Layout: thrift-compact-protocol.md of Apache Thrift.</summary>
    private sealed class Reader(ReadOnlyMemory<byte> bytes)
    {
        private const int MostLevels = 24;

        public int Position { get; private set; }

        private int Left => bytes.Length - Position;

        public ThriftStruct ReadStruct(int level)
        {
            var result = new ThriftStruct();
            var field = 0;
            while (ReadByte() is var head && head != 0)
            {
                var (step, type) = (head >> 4, head & 15);
                field = step == 0 ? ReadFieldNumber() : field + step;
                result._fields[field] = type is 1 or 2 ? 2L - type : ReadValue(type, level + 1);
            }

            return result;
        }

        private int ReadFieldNumber()
        {
            var number = ReadNumber();
            return number is >= short.MinValue and <= short.MaxValue ? (int)number : throw new InvalidDataException($"its metadata name a field {number}");
        }

        private object ReadValue(int type, int level)
        {
            if (level > MostLevels)
            {
                throw new InvalidDataException("its metadata are nested too deeply");
            }

            return type switch
            {
                1 or 2 or 3 => (long)(sbyte)ReadByte(),
                4 or 5 or 6 => ReadNumber(),
                7 => BinaryPrimitives.ReadDoubleLittleEndian(Take(8).Span),
                8 => Take(ReadLength()),
                9 or 10 => ReadList(level),
                11 => ReadMap(level),
                12 => ReadStruct(level),
                13 => Take(16),
                _ => throw new InvalidDataException("its metadata have a value of an unknown type"),
            };
        }

        private List<object> ReadList(int level)
        {
            var head = ReadByte();
            var count = head >> 4 == 15 ? ReadLength() : head >> 4;
            return ReadValues(count, _ => ReadValue(head & 15, level + 1));
        }

        private List<object> ReadMap(int level)
        {
            var count = ReadLength();
            var types = count == 0 ? 0 : ReadByte();
            return ReadValues(2 * count, index => ReadValue(index % 2 == 0 ? types >> 4 : types & 15, level + 1));
        }

        private List<object> ReadValues(int count, Func<int, object> read)
        {
            if (count > Left)
            {
                throw new InvalidDataException($"its metadata claim {count} entries where {Left} bytes are left");
            }

            var values = new List<object>(count);
            for (var index = 0; index < count; index++)
            {
                values.Add(read(index));
            }

            return values;
        }

        private int ReadLength() => ReadUnsigned() is var length && length <= (ulong)Left
            ? (int)length : throw new InvalidDataException("its metadata claim more bytes than there are");

        private long ReadNumber() => ReadUnsigned() is var number ? (long)(number >> 1) ^ -(long)(number & 1) : 0;

        private ulong ReadUnsigned()
        {
            var result = 0UL;
            for (var shift = 0; shift < 70; shift += 7)
            {
                var next = ReadByte();
                result |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80)
                {
                    return result;
                }
            }

            throw new InvalidDataException("its metadata have a number that does not end");
        }

        private byte ReadByte() => Take(1).Span[0];

        private ReadOnlyMemory<byte> Take(int count)
        {
            if (count > Left)
            {
                throw new InvalidDataException("its metadata were cut off");
            }

            Position += count;
            return bytes.Slice(Position - count, count);
        }
    }
}
