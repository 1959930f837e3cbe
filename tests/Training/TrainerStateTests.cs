using System.Buffers.Binary;
using System.Text.Json.Nodes;
using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

public sealed class TrainerStateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("trainer-state-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_saved_is_loaded()
    {
        var state = Whole() with { Update = 7, Accumulated = 3, MicroBatches = 31, UpdateLoss = float.NaN, BestValue = 0.5, LossScale = 1024, GoodUpdates = 9 };
        state.Steps.Add(new(7, 0.5, 3, 1e-3, 2, 100, 10));
        state.Evaluations.Add(new(7, 0.5, new Dictionary<string, double> { ["loss"] = 0.25 }, new Dictionary<string, double>(), 10, true));
        state.Save(_folder);

        var loaded = TrainerState.Load(_folder);

        Assert.Equal((7, 3, 31, float.NaN, 0.5, 1024.0, 9),
            (loaded.Update, loaded.Accumulated, loaded.MicroBatches, loaded.UpdateLoss, loaded.BestValue, loaded.LossScale, loaded.GoodUpdates));
        Assert.Equal(state.Steps, loaded.Steps);
        Assert.Equal((7, 0.25, true), loaded.Evaluations.Select(evaluation => (evaluation.Update, evaluation.Loss, evaluation.IsBest)).Single());
        Assert.Equal(state.DecodeRandomStates()[RandomState.LibtorchName], loaded.DecodeRandomStates()[RandomState.LibtorchName]);
        Assert.Equal("checkpoint-7+3", loaded.Name.ToString());
    }

    [Theory]
    [InlineData("update", "-1", "a count is negative")]
    [InlineData("microBatches", "-1", "a count is negative")]
    [InlineData("accumulated", "-1", "a count is negative")]
    [InlineData("optimiserUpdates", "-1", "a count is negative")]
    [InlineData("updatesSinceLog", "-1", "a count is negative")]
    [InlineData("tokensSinceLog", "-1", "a count is negative")]
    [InlineData("evaluationsSinceBest", "-1", "a count is negative")]
    [InlineData("goodUpdates", "-1", "a count is negative")]
    [InlineData("version", "2", "version 2; this library reads version 1")]
    [InlineData("randomStates", "{}", "has 0 bytes")]
    [InlineData("randomStates", """{"libtorch":"AAAA"}""", "has 3 bytes")]
    [InlineData("randomStates", """{"dropout":"no base64!"}""", "generator dropout is no base64")]
    [InlineData("update", "\"many\"", "not a trainer state")]
    [InlineData("history", "{}", "not a trainer state")]
    [InlineData("history", """{"steps":[],"evaluations":[{"update":3,"epoch":1,"metrics":{},"typeF1":{},"elapsedSeconds":1,"isBest":true}]}""",
        "update 3 has no loss")]
    public void A_file_that_was_changed_is_refused_with_its_name(string member, string value, string expected)
    {
        Whole().Save(_folder);
        var path = Path.Combine(_folder, TrainerState.FileName);
        var json = JsonNode.Parse(File.ReadAllText(path))!;
        json[member] = JsonNode.Parse(value);
        File.WriteAllText(path, json.ToJsonString());

        var error = Assert.Throws<InvalidDataException>(() => TrainerState.Load(_folder));

        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_missing_or_too_large_is_refused()
    {
        Assert.Contains("the file is missing", Assert.Throws<InvalidDataException>(() => TrainerState.Load(_folder)).Message, StringComparison.Ordinal);
        using (var file = File.Create(Path.Combine(_folder, TrainerState.FileName)))
        {
            file.SetLength((256 << 20) + 1);
        }

        var error = Assert.Throws<InvalidDataException>(() => TrainerState.Load(_folder));

        Assert.Contains("at most 256 MB; the file is larger", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    // at::CPUGeneratorImplState: words left in 8…11 (1 to 624), seeded in 12…15, the next word in 16…23 (0 to 624).
    [InlineData(8, 1, true)]
    [InlineData(8, 624, true)]
    [InlineData(8, 0, false)]
    [InlineData(8, 625, false)]
    [InlineData(12, 0, false)]
    [InlineData(16, 624, true)]
    [InlineData(16, 625, false)]
    public void A_generators_state_that_libtorch_would_end_the_process_for_is_refused(int at, int value, bool isRight)
    {
        var state = RandomState.OfLibtorch();
        BinaryPrimitives.WriteInt32LittleEndian(state.AsSpan(at), value);

        Assert.Equal(isRight, RandomState.FindFault(new Dictionary<string, byte[]> { [RandomState.LibtorchName] = state }) is null);
    }

    [Fact]
    public void Only_settings_that_change_weights_contradict()
    {
        var state = Whole() with { Settings = new() { LearningRate = 1e-3, LogEvery = 5 } };

        Assert.Equal(["LearningRate is 0.002, the checkpoint was made with 0.001"],
            state.FindContradictions(new() { LearningRate = 2e-3, LogEvery = 7, OutputFolder = "elsewhere" }));
        Assert.Empty(state.FindContradictions(state.Settings));
    }

    [Theory]
    [InlineData("checkpoint-7", 7, 0)]
    [InlineData("checkpoint-7+3", 7, 3)]
    [InlineData("checkpoint-123456789", 123456789, 0)]
    public void A_checkpoints_name_says_where_it_stands(string name, int update, int accumulated)
    {
        Assert.Equal(new CheckpointName(update, accumulated), CheckpointName.Parse(name));
        Assert.Equal(name, new CheckpointName(update, accumulated).ToString());
    }

    [Theory]
    [InlineData("checkpoint-")]
    [InlineData("checkpoint-7+")]
    [InlineData("checkpoint-1234567890")]
    [InlineData("damaged-checkpoint-7")]
    [InlineData("checkpoint-7.zip")]
    public void Other_names_are_no_checkpoints(string name) => Assert.Null(CheckpointName.Parse(name));

    private static TrainerState Whole() => new()
    {
        RandomStates = new Dictionary<string, string> { [RandomState.LibtorchName] = Convert.ToBase64String(RandomState.OfLibtorch()) },
    };
}
