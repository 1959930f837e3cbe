using System.Text.Json;
using NotebookLib.Data;
using NotebookLib.Html;
using NotebookLib.Results;

namespace NotebookLib.Tests.Results;

public class ResultTablesTests
{
    [Fact]
    public void The_published_numbers_are_those_of_the_saved_notebooks()
    {
        (string System, string File)[] systems =
            [("base-A", "ner_deberta_base_A"), ("base-B", "ner_deberta_base_B"), ("large-LoRA-A", "ner_deberta_large_lora_A")];
        foreach (var (system, file) in systems)
        {
            using var saved = JsonDocument.Parse(File.ReadAllText(Repository.Shared("reference", "published", file + ".json")));
            foreach (var row in saved.RootElement.GetProperty("word_level_reports")[0].GetProperty("report").EnumerateObject())
            {
                var published = Published.Find(system, row.Name)!;
                Assert.Equal(row.Value.GetProperty("f1").GetDouble(), published.F1);
                Assert.Equal(row.Value.GetProperty("precision").GetDouble(), published.Precision);
                Assert.Equal(row.Value.GetProperty("recall").GetDouble(), published.Recall);
                Assert.Equal(row.Value.GetProperty("support").GetInt64(), published.Support);
            }

            var log = saved.RootElement.GetProperty("training_log").EnumerateArray().ToList();
            var curves = Published.Curves(system)!;
            Assert.Equal(log.Select(entry => entry.GetProperty("Step").GetDouble()), curves.F1.At);
            Assert.Equal(log.Select(entry => entry.GetProperty("f1").GetDouble()), curves.F1.Values);
            Assert.Equal(log.Select(entry => entry.GetProperty("validation_loss").GetDouble()), curves.EvaluationLoss.Values);
        }
    }

    [Fact]
    public void Each_published_row_names_its_source()
    {
        Assert.Equal(47, Published.Rows.Count);
        Assert.All(Published.Rows, row => Assert.Matches(@"NamedEntityRecognition ner_deberta_\w+\.ipynb cell \d+", row.Source));
        Assert.Equal(15, Published.TypeF1("base-A").Count);
        Assert.Null(Published.Find("base-C", "PER"));
        Assert.Null(Published.Curves("base-C"));
    }

    [Fact]
    public void The_comparison_shows_mean_deviation_and_difference()
    {
        // 0.950 ± 0.010 over 0.94, 0.95, 0.96; published 0.953.
        var view = ResultTables.Comparison([Run("a", 0.94, 1), Run("b", 0.95, 2), Run("c", 0.96, 3)]);

        var row = Assert.Single(view.Rows);
        Assert.Equal(["base-A", "full", "MultiNERD", "", "", "", "F1", "0.950 ± 0.010", "3", "0.953", "−0.003"], row.Cells.Select(cell => cell.Text));
        Assert.Equal(Mark.Bad, row.Cells[^1].Mark);
    }

    [Fact]
    public void A_system_that_was_never_published_is_shown_without_a_difference()
    {
        var view = ResultTables.Comparison([Run("a", 0.9) with { System = "mine" }]);

        Assert.Equal(["mine", "full", "MultiNERD", "", "", "", "F1", "0.900", "1", "", ""], view.Rows[0].Cells.Select(cell => cell.Text));
    }

    [Fact]
    public void The_best_run_of_each_system_and_profile_is_marked()
    {
        var view = ResultTables.Runs([Run("a", 0.94), Run("b", 0.95), Run("c", 0.99) with { Profile = "demo" }]);

        Assert.Equal([Mark.None, Mark.Best, Mark.Best], view.Rows.Select(row => row.Mark));
    }

    [Fact]
    public void Runs_on_data_of_ones_own_are_kept_apart_and_stand_beside_no_published_number()
    {
        List<RunRow> runs = [Run("a", 0.9), Run("b", 0.2) with { Data = "my.conll", TestSentences = 5, TestEntities = 9 },
            Run("c", 0.4) with { Data = "my.conll", TestSentences = 50, TestEntities = 70 }];

        var comparison = ResultTables.Comparison(runs).Rows.Select(row => string.Join('|', row.Cells.Select(cell => cell.Text)));
        var all = ResultTables.Runs(runs);

        Assert.Equal(["base-A|full|MultiNERD||||F1|0.900|1|0.953|−0.053", "base-A|full|my.conll||||F1|0.200|1||", "base-A|full|my.conll||||F1|0.400|1||"],
            comparison);
        Assert.Equal(["MultiNERD", "my.conll", "my.conll"], all.Rows.Select(row => row.Cells[3].Text));
        // Two files of one name: each is the best on its own sentences.
        Assert.All(all.Rows, row => Assert.Equal(Mark.Best, row.Mark));
    }

    [Fact]
    public void A_mean_is_taken_over_runs_that_differ_in_their_seeds_alone()
    {
        RunRow Of(string id, double f1, long updates, double rate, string settings) =>
            Run(id, f1, id[0]) with { Updates = updates, LearningRate = rate, Parameters = settings };
        List<RunRow> runs =
        [
            Of("a", 0.90, 100, 1e-3, """{"Seed":1,"OutputFolder":"/a","FocalGamma":0}"""),
            Of("b", 0.92, 100, 1e-3, """{"Seed":2,"OutputFolder":"/b","FocalGamma":0}"""),
            Of("c", 0.50, 25, 1e-3, """{"Seed":1,"FocalGamma":0}"""), Of("d", 0.70, 100, 1e-4, """{"Seed":1,"FocalGamma":0}"""),
            Of("e", 0.80, 100, 1e-3, """{"Seed":1,"FocalGamma":2}"""),
        ];

        var ours = ResultTables.Comparison(runs).Rows.Select(row => (row.Cells[3].Text, row.Cells[4].Text, row.Cells[7].Text, row.Cells[8].Text));

        Assert.Equal([("25", "1e-3", "0.500", "1"), ("100", "1e-3", "0.910 ± 0.014", "2"), ("100", "1e-4", "0.700", "1"), ("100", "1e-3", "0.800", "1")], ours);
    }

    [Fact]
    public void A_run_without_a_test_sentence_scores_nothing()
    {
        List<RunRow> runs = [Run("a", 0) with { TestSentences = 0 }];

        Assert.Empty(ResultTables.Comparison(runs).Rows);
        Assert.Equal(Mark.None, ResultTables.Runs(runs).Rows[0].Mark);
    }

    [Fact]
    public void Tables_without_runs_say_so()
    {
        Assert.Contains("No run has been added yet.", ResultTables.Runs([]).ToHtml(), StringComparison.Ordinal);
        Assert.Contains("nothing to show", ResultTables.Comparison([]).ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public void One_call_exports_four_files_with_everything_escaped()
    {
        var folder = Path.Combine(Path.GetTempPath(), $"export-{Guid.NewGuid():N}");
        var table = new TableView("100 % of <A>", [new("name"), new("F1", true)], [new(["a|b_<script>&", "−0.5"]), new(["=1+1", "0.9"], Mark.Total)], "sub",
            "note");
        try
        {
            var paths = TableExport.SaveAll(table, folder, "scores");

            Assert.Equal(["scores.md", "scores.tex", "scores.html", "scores.csv"], paths.Select(Path.GetFileName));
            Assert.Equal("**100 % of &lt;A>**\n\nsub\n\n| name | F1 |\n| --- | ---: |\n| a\\|b\\_&lt;script>&amp; | −0.5 |\n| =1+1 | 0.9 |\n\nnote\n",
                File.ReadAllText(paths[0]));
            var latex = File.ReadAllText(paths[1]);
            Assert.Contains("\\caption{100 \\% of \\textless{}A\\textgreater{}}\n\\begin{tabular}{lr}", latex, StringComparison.Ordinal);
            Assert.Contains("a|b\\_\\textless{}script\\textgreater{}\\& & $-$0.5 \\\\\n\\midrule\n=1+1", latex, StringComparison.Ordinal);
            var html = File.ReadAllText(paths[2]);
            Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
            Assert.Contains("a|b_&lt;script&gt;&amp;", html, StringComparison.Ordinal);
            Assert.Contains("Content-Security-Policy\" content=\"default-src 'none'", html, StringComparison.Ordinal);
            Assert.Equal("name,F1\na|b_<script>&,-0.5\n'=1+1,0.9\n", File.ReadAllText(paths[3]));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_run_that_is_made_again_with_its_seed_counts_once_and_other_settings_stand_apart_by_name()
    {
        List<RunRow> runs =
        [
            Run("a", 0.5, 1) with { FrozenBase = "int8", LoraAlpha = 8, Types = "PER" },
            Run("b", 0.7, 1) with { FrozenBase = "int8", LoraAlpha = 8, Types = "PER" },
            Run("c", 0.9, 2) with { FrozenBase = "int8", LoraAlpha = 8, Types = "PER" },
            Run("d", 0.1, 3) with { FrozenBase = "float32", LoraAlpha = 16, Types = "PER" },
        ];

        var rows = ResultTables.ComparisonRows(runs);

        Assert.Equal([(0.8, 2L, "1 2", "lora_alpha 8, frozen_base int8"), (0.1, 1L, "3", "lora_alpha 16, frozen_base float32")],
            rows.Select(row => (Math.Round(row.Mean, 9), row.Runs, row.Seeds, row.DiffersIn)));
        Assert.Equal(["lora_alpha 8, frozen_base int8", "lora_alpha 16, frozen_base float32"],
            ResultTables.Runs(runs).Rows.Select(row => row.Cells[4].Text).Distinct());
    }

    [Fact]
    public void The_exported_CSV_is_for_programs_plain_numbers_in_every_row()
    {
        var folder = Directory.CreateTempSubdirectory("export-").FullName;
        var runs = new[] { Run("a", 0.94, 1), Run("b", 0.95, 2) with { TestPrecision = 0.9, TrainSeconds = 137.5, TokensPerSecond = 12345.5, Updates = 1000 } };
        runs[0] = runs[0] with { Updates = 1000 };

        TableExport.SaveAll(ResultTables.Runs(runs), runs, folder, "runs");
        TableExport.SaveAll(ResultTables.Comparison(runs), ResultTables.ComparisonRows(runs), folder, "comparison");

        var rows = CsvLedger<ComparisonRow>.ReadFile(Path.Combine(folder, "comparison.csv"));
        Assert.All(rows, row => Assert.Equal(("base-A", "full", "Babelscape/multinerd", 1000L), (row.System, row.Profile, row.Data, row.Updates)));
        Assert.Equal(["F1", "precision"], rows.Select(row => row.Score));
        Assert.Equal((-0.008, 0.945, 2L), (Math.Round(rows[0].Difference!.Value, 6), Math.Round(rows[0].Mean, 6), rows[0].Runs));
        Assert.Equal(runs, CsvLedger<RunRow>.ReadFile(Path.Combine(folder, "runs.csv")));
        Assert.Contains(",137.5,12345.5,", File.ReadAllText(Path.Combine(folder, "runs.csv")), StringComparison.Ordinal);
        Assert.Contains("1,000", File.ReadAllText(Path.Combine(folder, "runs.md")), StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0")]
    [InlineData("+1+1", "'+1+1")]
    [InlineData("-2+3", "'-2+3")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\t=1", "'\t=1")]
    [InlineData("\r=1", "␍=1")]
    [InlineData("＝1+1", "'＝1+1")]
    [InlineData("'=1", "''=1")]
    [InlineData("-5", "-5")]
    [InlineData("+0.5", "+0.5")]
    [InlineData("-1e-05", "-1e-05")]
    [InlineData("'tis", "'tis")]
    [InlineData("a-b", "a-b")]
    [InlineData("", "")]
    [InlineData("red\u001b[31m\u0000\u007f\u009b", "red␛[31m␀␡\uFFFD")]
    public void A_cell_is_harmless_and_says_what_it_said(string text, string cell)
    {
        Assert.Equal(cell, CsvText.Harmless(text));
        Assert.Equal(text.Any(char.IsControl) && text[0] != '\t' ? cell : text, CsvText.Original(cell));
    }

    [Theory]
    [InlineData("1,000", "1000")]
    [InlineData("−0.072", "-0.072")]
    [InlineData("+0.003", "0.003")]
    [InlineData("2e-5", "2e-5")]
    [InlineData("12 %", "12 %")]
    [InlineData("1,00", "1,00")]
    public void A_number_of_any_table_is_exported_as_programs_read_it(string shown, string exported)
        => Assert.Equal($"n\n{(exported.Contains(',', StringComparison.Ordinal) ? $"\"{exported}\"" : exported)}\n",
            TableExport.ToCsv(new("t", [new("n", true)], [new([shown])])));

    private static RunRow Run(string id, double f1, long seed = 0) =>
        new() { Seed = seed, RunId = id, Started = DateTimeOffset.UnixEpoch, System = "base-A", Profile = "full", Data = "Babelscape/multinerd", TestF1 = f1 };
}
