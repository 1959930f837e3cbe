using System.Diagnostics;
using NotebookLib.Results;
using Parquet;

namespace NotebookLib.Tests.Results;

public sealed class RunTableTests : IDisposable
{
    private const string FolderVariable = "NOTEBOOKLIB_TEST_RUN_TABLE";
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"runs-{Guid.NewGuid():N}");

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Fact]
    public void A_row_comes_back_as_it_was_added()
    {
        var table = new RunTable(_folder);
        var row = Row("one") with
        {
            LearningRate = 5e-5,
            TestF1 = 0.1 + 0.2,
            PeakMemoryBytes = 3L << 32,
            Parameters = "{\"a\":\"x, \"\"y\"\"\n\"}",
            Model = "=cmd()"
        };

        table.Append(row, [new() { RunId = "one", Row = "PER", F1 = 1.0 / 3, Support = 7 }]);

        Assert.Equal([row], table.Read());
        Assert.Equal([new TypeRow { RunId = "one", Row = "PER", F1 = 1.0 / 3, Support = 7 }], table.ReadTypes());
    }

    [Fact]
    public void The_header_is_in_snake_case_and_numbers_do_not_follow_the_culture()
    {
        var before = Thread.CurrentThread.CurrentCulture;
        try
        {
            Thread.CurrentThread.CurrentCulture = new System.Globalization.CultureInfo("") { NumberFormat = { NumberDecimalSeparator = "," } };
            new RunTable(_folder).Append(Row("one") with { TestF1 = 0.5 });
        }
        finally
        {
            Thread.CurrentThread.CurrentCulture = before;
        }

        var lines = File.ReadAllLines(Path.Combine(_folder, "runs.csv"));
        Assert.StartsWith("run_id,started,system,profile,model,data,seed,learning_rate,", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("one,2026-01-02T03:04:05+01:00,base-A,demo,,,42,,", lines[1], StringComparison.Ordinal);
        Assert.Contains(",0.5,", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_is_added_again_replaces_its_row()
    {
        var table = new RunTable(_folder);
        table.Append(Row("one") with { TestF1 = 0.1 }, [new() { RunId = "one", Row = "PER" }]);
        table.Append(Row("two"));

        table.Append(Row("one") with { TestF1 = 0.2 }, [new() { RunId = "one", Row = "LOC" }]);

        Assert.Equal([("two", null), ("one", 0.2)], table.Read().Select(row => (row.RunId, row.TestF1)));
        Assert.Equal(["LOC"], table.ReadTypes().Select(type => type.Row));
    }

    [Fact]
    public void A_run_is_taken_out_of_all_files()
    {
        var table = new RunTable(_folder);
        table.Append(Row("one"), [new() { RunId = "one", Row = "PER" }]);
        table.Append(Row("two"), [new() { RunId = "two", Row = "PER" }]);

        Assert.True(table.Remove("one"));
        Assert.False(table.Remove("one"));

        Assert.Equal(["two"], table.Read().Select(row => row.RunId));
        Assert.Equal(["two"], table.ReadTypes().Select(type => type.RunId));
    }

    [Fact]
    public void Temporary_files_of_a_killed_process_are_cleared_by_the_next_append()
    {
        var table = new RunTable(_folder);
        table.Append(Row("one"));
        using var dead = Process.Start(new ProcessStartInfo("true"))!;
        dead.WaitForExit();
        var left = $"{table.CsvPath}.{dead.Id}-{Guid.NewGuid():N}.tmp";
        var alive = $"{table.CsvPath}.{Environment.ProcessId}-{Guid.NewGuid():N}.tmp";
        File.WriteAllText(left, "half a ta");
        File.WriteAllText(alive, "being written");

        table.Append(Row("two"));

        Assert.False(File.Exists(left));
        Assert.True(File.Exists(alive));
    }

    [Fact]
    public async Task The_parquet_file_holds_the_same_rows_with_types()
    {
        var table = new RunTable(_folder);
        table.Append(Row("one") with { TestF1 = 0.25, Updates = 6153 });
        table.Append(Row("two"));

        await using var reader = await ParquetReader.CreateAsync(table.ParquetPath, cancellationToken: TestContext.Current.CancellationToken);
        using var group = reader.OpenRowGroupReader(0);
        var fields = reader.Schema.DataFields.ToDictionary(field => field.Name);
        var (names, scores, updates) = (new string?[2], new double?[2], new long?[2]);
        await group.ReadAsync(fields["run_id"], names.AsMemory(), cancellationToken: TestContext.Current.CancellationToken);
        await group.ReadAsync<double>(fields["test_f1"], scores.AsMemory(), cancellationToken: TestContext.Current.CancellationToken);
        await group.ReadAsync<long>(fields["updates"], updates.AsMemory(), cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal(["one", "two"], names);
        Assert.Equal([0.25, null], scores);
        Assert.Equal([6153, null], updates);
    }

    [Fact]
    public void Threads_that_end_at_once_lose_no_row()
    {
        Parallel.For(0, 24, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => new RunTable(_folder).Append(Row($"run-{i}")));

        Assert.Equal(24, new RunTable(_folder).Read().Select(row => row.RunId).Distinct().Count());
    }

    [Fact]
    public async Task Processes_that_end_at_once_lose_no_row()
    {
        var processes = Enumerable.Range(0, 2).Select(_ => StartAppender()).ToList();
        foreach (var process in processes)
        {
            var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(process.ExitCode == 0, output);
            process.Dispose();
        }

        Assert.Equal(20, new RunTable(_folder).Read().Count);
    }

    [Fact(Explicit = true)]
    public void Appender_that_another_test_starts_as_a_process()
    {
        var folder = Environment.GetEnvironmentVariable(FolderVariable)!;
        for (var i = 0; i < 10; i++)
        {
            new RunTable(folder).Append(Row($"{Environment.ProcessId}-{i}"));
        }
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_named_with_a_way_out()
    {
        Directory.CreateDirectory(_folder);
        var file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");

        var error = Assert.Throws<IOException>(() => new RunTable(Path.Combine(file, "results")).Append(Row("one")));

        Assert.Contains(file, error.Message, StringComparison.Ordinal);
        Assert.Contains("Set the results folder to one that you may write to.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_lock_that_is_never_given_back_ends_in_a_message()
    {
        using var held = new RunTable(_folder, TimeSpan.FromSeconds(1)).Lock();

        var error = Assert.Throws<IOException>(() => new RunTable(_folder, TimeSpan.FromMilliseconds(100)).Append(Row("one")));

        Assert.Contains("another process has been adding a run", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run_id,started\none,2026-01-02T03:04:05+01:00\ntwo\n", "line 3")]
    [InlineData("run_id,colour\none,blue\n", "colour")]
    [InlineData("run_id,seed\none,many\n", "column seed: expected a Int64, found 'many'")]
    [InlineData("run_id,seed\n\"one,1\n", "runs.csv")]
    public void A_damaged_table_is_refused_and_left_alone(string text, string finding)
    {
        Directory.CreateDirectory(_folder);
        var table = new RunTable(_folder);
        File.WriteAllText(table.CsvPath, text);

        var error = Assert.Throws<InvalidDataException>(() => table.Append(Row("new")));

        Assert.Contains(finding, error.Message, StringComparison.Ordinal);
        Assert.Contains(table.CsvPath, error.Message, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(table.CsvPath));
        Assert.False(File.Exists(table.ParquetPath));
    }

    [Fact]
    public void An_older_table_without_a_column_is_read_and_grows_it()
    {
        Directory.CreateDirectory(_folder);
        var table = new RunTable(_folder);
        File.WriteAllText(table.CsvPath, "run_id,started,system,profile,seed\nold,2025-01-01T00:00:00+00:00,base-A,demo,1\n");

        table.Append(Row("new"));

        Assert.Equal([("old", 1L), ("new", 42L)], table.Read().Select(row => (row.RunId, row.Seed)));
    }

    private static RunRow Row(string id) => new()
    {
        RunId = id,
        Started = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1)),
        System = "base-A",
        Profile = "demo",
        Seed = 42,
    };

    private Process StartAppender()
    {
        var start = new ProcessStartInfo("dotnet")
        {
            ArgumentList =
            {
                typeof(RunTableTests).Assembly.Location, "-explicit", "only", "-noColor", "-method",
                $"{typeof(RunTableTests).FullName}.{nameof(Appender_that_another_test_starts_as_a_process)}",
            },
            RedirectStandardOutput = true,
            Environment = { [FolderVariable] = _folder },
        };
        return Process.Start(start)!;
    }
}
