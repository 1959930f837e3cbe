using NotebookLib.Data;
using NotebookLib.Display;
using NotebookLib.Experiments;
using NotebookLib.Html;
using NotebookLib.Model;
using NotebookLib.Results;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Experiments;

/// <summary>The steps of a notebook on a few sentences of the sample.</summary>
[Collection(AutocastTestGroup.Name)]
public sealed class ExperimentTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("experiment-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("full", "float32", "sqrt")]
    [InlineData("lora", "float32", "none")]
    [InlineData("lora", "int8", "none")]
    public async Task Every_step_of_a_notebook_goes_through_and_training_twice_is_training_once(string method, string frozenBase, string classWeights)
    {
        var plan = ExperimentPlan.Of(Short with { Method = method, FrozenBase = frozenBase, ClassWeights = classWeights, Output = Path.Combine(_folder.FullName, "run") });
        var data = await ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken);
        using var model = await ExperimentModel.LoadAsync(plan, data, TestContext.Current.CancellationToken);

        var start = Weights(model);
        var findings = SanityCheck.Find(plan, data, model);
        Assert.Equal(start, Weights(model));
        Assert.All(findings.Where(finding => finding.Name != "One batch by heart" || method == "full"), finding => Assert.True(finding.Holds, finding.ToString()));

        var first = Fit.Run(plan, data, model);
        var trained = Weights(model);
        Assert.NotEqual(start, trained);
        _ = Fit.Run(plan, data, model);
        Assert.Equal(trained, Weights(model));

        var judged = Judgement.Of(plan, data, model, TestContext.Current.CancellationToken);
        var saved = SavedModel.Save(plan, data, model);
        var table = RunRecord.Add(plan, first, judged, model, new RunTable(_folder.FullName));
        var merged = new TryOut(data, model).MergeCheck("A sentence about Warsaw .").ToText();

        Assert.Equal(classWeights == "sqrt", first.Result!.Summary.Settings.ClassWeights is not null);
        Assert.Equal(frozenBase == "int8", model.Network.modules().OfType<Projection>().Any(projection => projection.Storage == WeightStorage.Int8));
        Assert.Equal(method == "lora", saved.IsAdapter);
        Assert.True(File.Exists(Path.Combine(saved.Folder, method == "lora" ? "adapter_model.safetensors" : "model.safetensors")));
        Assert.Equal((plan.RunId, "demo", 4L), (table.Read().Single().RunId, table.Read().Single().Profile, table.Read().Single().Updates));
        Assert.DoesNotContain("does not hold", merged, StringComparison.Ordinal);
        Assert.Contains("runs.tex", RunRecord.Export(table).ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Training_twice_replaces_only_a_run_that_this_process_began()
    {
        var output = Path.Combine(_folder.FullName, "run");
        var options = Short with { Output = output, Method = "lora" };
        var plan = ExperimentPlan.Of(options);
        var data = await ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken);
        using var model = await ExperimentModel.LoadAsync(plan, data, TestContext.Current.CancellationToken);
        var marker = Path.Combine(output, "checkpoints", "best", "somebodys");
        Directory.CreateDirectory(marker);

        // Refused, and refused again: the model that the first attempt touched is no licence.
        _ = Assert.Throws<InvalidOperationException>(() => Fit.Run(plan, data, model));
        _ = Assert.Throws<InvalidOperationException>(() => Fit.Run(plan, data, model));
        Assert.True(Directory.Exists(marker));

        Directory.Delete(output, recursive: true);
        _ = Fit.Run(plan, data, model);
        var trained = Weights(model);
        Directory.CreateDirectory(Path.Combine(output, "checkpoints", "checkpoint-4", "ours"));
        _ = Fit.Run(plan, data, model);
        Assert.False(Directory.Exists(Path.Combine(output, "checkpoints", "checkpoint-4", "ours")));

        // A run that is gone on with may be of another process: its cell goes on with it each time.
        var resumed = ExperimentPlan.Of(options with { Resume = true });
        Directory.CreateDirectory(Path.Combine(output, "checkpoints", "checkpoint-2", "somebodys"));
        _ = Fit.Run(resumed, data, model);
        _ = Fit.Run(resumed, data, model);
        Assert.True(Directory.Exists(Path.Combine(output, "checkpoints", "checkpoint-2", "somebodys")));
        Assert.Equal(trained, Weights(model));
    }

    [Fact]
    public async Task Data_of_ones_own_with_other_labels_are_split_the_same_way_for_every_seed()
    {
        var file = Conll(Enumerable.Range(0, 40).Select(i => $"Gadget B-PRODUCT\n{i} I-PRODUCT\nsells O\n"));
        var plan = ExperimentPlan.Of(Short with { TrainData = file, Types = "PRODUCT,BRAND", ValidationRows = 8 });
        var other = ExperimentPlan.Of(Short with { TrainData = file, Types = "PRODUCT,BRAND", ValidationRows = 8, Seed = 7 });

        var data = await ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken);
        var again = await ExperimentData.LoadAsync(other, TestContext.Current.CancellationToken);

        Assert.Equal((32, 8, 8, true), (data.Train.Count, data.Validation.Count, data.Test.Count, data.TestIsValidation));
        Assert.Equal(data.Validation.Select(sentence => sentence.Words[1]), again.Validation.Select(sentence => sentence.Words[1]));
        Assert.Empty(data.Train.Select(sentence => sentence.Words[1]).Intersect(data.Validation.Select(sentence => sentence.Words[1])));
        Assert.Equal(["O", "B-PRODUCT", "I-PRODUCT", "B-BRAND", "I-BRAND"], data.Labels.Names);
        Assert.Null(plan.PublishedSystem);
    }

    [Fact]
    public async Task A_type_that_nobody_named_is_reported_with_its_line()
    {
        var plan = ExperimentPlan.Of(Short with { TrainData = Conll(["Gadget B-PRODUCT\nsells O\n"]) });

        var error = await Assert.ThrowsAsync<DataFormatException>(() => ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken));

        Assert.Contains("PRODUCT", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_sentence_without_an_entity_runs_to_empty_views()
    {
        var file = Conll(["Nothing O\nhappens O\n"]);
        var plan = ExperimentPlan.Of(Short with { TrainData = file, TestData = file, Output = Path.Combine(_folder.FullName, "run"), Updates = 1 });
        var data = await ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken);
        using var model = await ExperimentModel.LoadAsync(plan, data, TestContext.Current.CancellationToken);

        _ = SanityCheck.Run(plan, data, model);
        var fit = Fit.Run(plan, data, model);
        var judged = Judgement.Of(plan, data, model, TestContext.Current.CancellationToken);

        Assert.Null(fit.Result!.BestFolder);
        Assert.Equal(0, judged.Words.Scores.Micro.Support);
        Assert.NotEmpty(new ErrorsView(judged.Errors, data.Labels).ToText());
        Assert.NotEmpty(Tables.Report("test", judged.Words.Scores).ToText());
        Assert.IsType<TableView>(Baselines.Compare(plan, data, fit, judged));
    }

    [Theory]
    [InlineData("head", 2)]
    [InlineData("lora", 3)]
    public async Task A_head_alone_is_not_compared_with_itself(string method, int rows)
    {
        var file = Conll(["Nothing O\nhappens O\n"]);
        var plan = ExperimentPlan.Of(Short with { Method = method, Compare = true, TrainData = file, TestData = file, Output = Path.Combine(_folder.FullName, "run"), Updates = 1 });
        var data = await ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken);
        using var model = await ExperimentModel.LoadAsync(plan, data, TestContext.Current.CancellationToken);
        var fit = Fit.Run(plan, data, model);

        var table = Assert.IsType<TableView>(Baselines.Compare(plan, data, fit, Judgement.Of(plan, data, model, TestContext.Current.CancellationToken)));

        Assert.Equal(rows, table.Rows.Count);
        Assert.Equal("this run", table.Rows[^1].Cells[0].Text);
    }

    [Theory]
    [InlineData("demo", "every weight is trained", "every weight was trained")]
    [InlineData("published", "nothing is trained", "the model comes whole")]
    public async Task A_model_without_adapters_says_why_it_has_none(string profile, string adapters, string merging)
    {
        var file = Conll(["Nothing O\nhappens O\n"]);
        var plan = ExperimentPlan.Of(Short with { TrainData = file, TestData = file });
        var data = await ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken);
        using var headed = await ExperimentModel.LoadAsync(plan, data, TestContext.Current.CancellationToken);
        ModelFolder.Save(headed.Network, _folder.FullName);
        data.Tokenizer.Save(_folder.FullName);

        plan = ExperimentPlan.Of(Short with { Profile = profile, Model = _folder.FullName, TrainData = file, TestData = file });
        using var model = await ExperimentModel.LoadAsync(plan, data, TestContext.Current.CancellationToken);

        Assert.Contains(adapters, model.AdapterCard.ToText(), StringComparison.Ordinal);
        Assert.Contains(merging, new TryOut(data, model).MergeCheck("A sentence .").ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_file_is_refused_by_name()
    {
        var plan = ExperimentPlan.Of(Short with { TrainData = Conll([""]) });

        var error = await Assert.ThrowsAsync<DataFormatException>(() => ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken));

        Assert.Contains("own.conll: holds no sentence", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(9, 1)]
    [InlineData(25, 2)]
    public async Task A_tenth_of_a_small_file_is_at_least_one_sentence_to_test_on(int sentences, int tested)
    {
        var plan = ExperimentPlan.Of(Short with { TrainData = Conll(Enumerable.Range(0, sentences).Select(i => $"Marie B-PER\nsings{i} O\n")) });

        var data = await ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken);

        Assert.Equal((sentences - tested, tested, tested), (data.Train.Count, data.Validation.Count, data.Test.Count));
    }

    [Theory]
    [InlineData(1, null, "own.conll: 1 sentence to train on, and none is left to test on")]
    [InlineData(3, 0, "own.conll: 3 sentences to train on, validationRows is 0, and none is left to test on")]
    public async Task A_file_that_leaves_nothing_to_test_is_refused_with_a_way_out(int sentences, int? validationRows, string expected)
    {
        var plan = ExperimentPlan.Of(Short with { TrainData = Conll(Enumerable.Repeat("Marie B-PER\nsings O\n", sentences)), ValidationRows = validationRows });

        var error = await Assert.ThrowsAsync<InvalidDataException>(() => ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("Set testData or validationData", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_profile_that_trains_nothing_asks_for_test_data()
    {
        var file = Conll(["Marie B-PER\nsings O\n"]);
        var tiny = Repository.PathOf("data", "tiny-deberta-v3");
        var plan = ExperimentPlan.Of(Short with { Profile = "published", Model = tiny, TrainData = file, ValidationData = file });

        var error = await Assert.ThrowsAsync<InvalidDataException>(() => ExperimentData.LoadAsync(plan, TestContext.Current.CancellationToken));

        Assert.Contains("testData is null; set testData to the file", error.Message, StringComparison.Ordinal);
    }

    private static ExperimentOptions Short { get; } = new() { TrainRows = 64, Updates = 4, BatchSize = 8, Compare = false, EvaluateEvery = 2, SaveEvery = 2 };

    private string Conll(IEnumerable<string> sentences)
    {
        var path = Path.Combine(_folder.FullName, "own.conll");
        File.WriteAllText(path, string.Join('\n', sentences));
        return path;
    }

    private static List<float> Weights(ExperimentModel model)
    {
        using var scope = NewDisposeScope();
        return [.. model.Network.parameters().Where(parameter => parameter.requires_grad).SelectMany(parameter => parameter.detach().data<float>().ToArray())];
    }
}
