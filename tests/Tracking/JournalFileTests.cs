using System.Text;
using NotebookLib.Tracking;

namespace NotebookLib.Tests.Tracking;

public sealed class JournalFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_line_is_its_checksum_kind_number_and_text()
    {
        byte[] buffer = [];

        var length = JournalRecord.Write(ref buffer, JournalKind.Row, 17, """{"train/loss":0.5}"""u8);

        // zlib.crc32(b'H 17 {"train/loss":0.5}')
        Assert.Equal("fe8876ec H 17 {\"train/loss\":0.5}\n", Encoding.UTF8.GetString(buffer.AsSpan(0, length)));
    }

    [Theory]
    [InlineData(0, "{}")]
    [InlineData(long.MaxValue, "{\"ä\":\"𝛼\"}")]
    [InlineData(long.MinValue, "")]
    public void What_is_written_is_read(long number, string json)
    {
        byte[] buffer = [];
        var length = JournalRecord.Write(ref buffer, JournalKind.Row, number, Encoding.UTF8.GetBytes(json));

        Assert.True(JournalRecord.TryRead(buffer.AsSpan(0, length - 1), out var record));
        Assert.Equal(new JournalRecord(JournalKind.Row, number, json), record);
    }

    [Fact]
    public void Every_damaged_byte_and_every_cut_is_noticed()
    {
        byte[] buffer = [];
        var length = JournalRecord.Write(ref buffer, JournalKind.Row, 17, """{"a":1}"""u8) - 1;
        var line = buffer[..length];

        for (var at = 0; at < line.Length; at++)
        {
            Assert.False(JournalRecord.TryRead(line.AsSpan(0, at), out _));
            byte[] damaged = [.. line];
            damaged[at] ^= 2;
            Assert.False(JournalRecord.TryRead(damaged, out _), $"byte {at}");
        }
    }

    [Theory]
    [InlineData("H_17 {}")]
    [InlineData("H x17 {}")]
    public void A_right_sum_makes_no_line_of_other_text(string content) =>
        Assert.False(JournalRecord.TryRead(
            Encoding.UTF8.GetBytes($"{System.IO.Hashing.Crc32.HashToUInt32(Encoding.UTF8.GetBytes(content)):x8} {content}"), out _));

    [Fact]
    public void A_reader_goes_on_where_the_writer_goes_on()
    {
        using var writer = new JournalWriter(_path, 0);
        using var reader = new JournalReader(_path);
        Assert.False(reader.TryRead(out _));

        for (var number = 0; number < 3; number++)
        {
            writer.Append(JournalKind.Row, number, "{}"u8);
            writer.FlushToDisk();
            Assert.True(reader.TryRead(out var record));
            Assert.Equal((number, writer.Length), (record.Number, reader.Position));
            Assert.False(reader.TryRead(out _));
        }

        Assert.Equal(new FileInfo(_path).Length, writer.Length);
    }

    [Fact]
    public void Lines_of_any_length_are_read_and_damaged_ones_passed_over()
    {
        int[] lengths = [1, 65_000, 70_000, 300_000, 5];
        using (var writer = new JournalWriter(_path, 0))
        {
            for (var number = 0; number < lengths.Length; number++)
            {
                writer.Append(JournalKind.Row, number, Encoding.UTF8.GetBytes(new string('x', lengths[number])));
            }
        }

        var bytes = File.ReadAllBytes(_path);
        bytes[100] ^= 1;
        File.WriteAllBytes(_path, [.. bytes, .. "half a li"u8]);

        using var reader = new JournalReader(_path);
        var records = new List<JournalRecord>();
        while (reader.TryRead(out var record))
        {
            records.Add(record);
        }

        Assert.Equal([(0L, 1, false), (2, 70_000, true), (3, 300_000, false), (4, 5, false)],
            records.Select(record => (record.Number, record.Json.Length, record.FollowsDamage)));
        Assert.Equal((1, (long)bytes.Length), (reader.DamagedLines, reader.Position));
    }

    [Fact]
    public void Half_a_line_at_the_end_is_cut_off_when_writing_goes_on()
    {
        using (var writer = new JournalWriter(_path, 0))
        {
            writer.Append(JournalKind.Row, 0, "{}"u8);
        }

        var whole = new FileInfo(_path).Length;
        File.AppendAllText(_path, "half a line");
        using (var writer = new JournalWriter(_path, whole))
        {
            Assert.Equal(whole, new FileInfo(_path).Length);
            writer.Append(JournalKind.Row, 1, "{}"u8);
        }

        using var reader = new JournalReader(_path);
        Assert.True(reader.TryRead(out _));
        Assert.True(reader.TryRead(out var second));
        Assert.Equal((1, 0), (second.Number, reader.DamagedLines));
    }

    [Fact]
    public void A_replay_of_a_file_knows_its_length_and_its_damage_and_names_the_file_in_a_fault()
    {
        using (var writer = new JournalWriter(_path, 0))
        {
            writer.Append(JournalKind.Row, 0, "{}"u8);
            writer.Append(JournalKind.Row, 1, "{\"broken\""u8);
        }

        File.AppendAllText(_path, "no line\n");
        var seen = new List<long>();

        var replay = RunReplay.Read(_path, line => seen.Add(line.Number));

        Assert.Equal((new FileInfo(_path).Length, 2), (replay.Length, replay.DamagedLines));
        Assert.Equal([0], seen);
        Assert.Equal(0, RunReplay.Read(_path + ".none").Length);
        using (var writer = new JournalWriter(_path, replay.Length))
        {
            writer.Append((JournalKind)'Z', 0, "{}"u8);
        }

        Assert.Contains(_path, Assert.Throws<InvalidDataException>(() => RunReplay.Read(_path)).Message, StringComparison.Ordinal);
    }
}
