extern alias lib;

using System.CommandLine;
using lib::NotebookLib.Inference;
using lib::NotebookLib.Model;
using lib::NotebookLib.Onnx;
using lib::NotebookLib.Platform;
using NumberText = NotebookLib.Platform.NumberText;

namespace NotebookRunner.Commands;

/// <summary><c>export MODEL --to onnx -o FOLDER</c>: a trained model for programs that read other formats.</summary>
internal static class ExportCommand
{
    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var model = TrainedModel.NewArgument();
        var format = new Option<string>("--to") { Description = "The format to write", Required = true };
        format.AcceptOnlyFromAmong("onnx");
        var output = new Option<string>("--output", "-o")
        {
            Description = "The folder to write: config.json, the tokenizer, onnx/model.onnx",
            Required = true,
            HelpName = "folder"
        };
        var types = new Option<string[]>("--dtype")
        {
            Description = "Numbers of the graph, one or several; each is a file of its own",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => ["float32"]
        };
        types.AcceptOnlyFromAmong("float32", "float16", "int8");
        var (labels, start) = (TrainedModel.NewTypes(), TrainedModel.NewBase());
        var force = new Option<bool>("--force") { Description = "Replace an export that is there" };
        var command = new Command("export", "Writes a trained model, its adapters merged, as ONNX, for ONNX Runtime, transformers.js and Optimum") { model,
            format, output, types, labels, start, force };
        command.SetAction(async (arguments, _) =>
        {
            LibraryFolder.MakeLoadable();
            return await ExportAsync(arguments.GetValue(model)!, Path.GetFullPath(arguments.GetValue(output)!), arguments.GetValue(types)!,
                arguments.GetValue(labels), arguments.GetValue(start), arguments.GetValue(force));
        });
        return command;
    }

    // The library's types stand in methods of their own: one that names them is compiled only after they can be loaded.
    private static async Task<int> ExportAsync(string model, string output, string[] types, string? labels, string? start, bool isForced)
    {
        try
        {
            WritableFolder.Prove(output, () => Prove(output, isForced));
            using var tagger = await TrainedModel.LoadAsync(model, new LoadOptions(), "float32", labels, start, observer: null, Interruption.Token);
            Write(tagger, output, [.. types.Select(type => Enum.Parse<OnnxPrecision>(type, ignoreCase: true))]);
            return ExitCodes.Ok;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Interrupted; nothing was written.");
            return ExitCodes.Interrupted;
        }
        catch (Exception error) when (TrainedModel.IsBadInput(error))
        {
            throw new BadInputException(TrainedModel.Spoken(error), error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine(error.Message);
            return ExitCodes.Failed;
        }
    }

    /// <summary>A folder with something else in it stays as it is.</summary>
    private static void Prove(string output, bool isForced)
    {
        if (File.Exists(output))
        {
            throw new BadInputException($"{output} is a file; name a folder with --output.");
        }

        Directory.CreateDirectory(output);
        if (Directory.EnumerateFileSystemEntries(output).Any() && !(isForced && Directory.Exists(Path.Combine(output, "onnx"))))
        {
            throw new BadInputException(isForced
                ? $"{output} holds something else than an export and was left as it is. Name another folder with --output."
                : $"{output} is not empty and was left as it is. Name another folder with --output, or replace an export with --force.");
        }
    }

    /// <summary>Beside the folder first, so that it holds a whole export or what it held.</summary>
    private static void Write(EntityTagger tagger, string output, OnnxPrecision[] precisions)
    {
        var partial = Path.Combine(Path.GetDirectoryName(output) ?? output, $".{Path.GetFileName(output)}.{Guid.NewGuid():N}.partial");
        try
        {
            OnnxExport.Write(((ModelPieceScorer)tagger.Scorer).Model, tagger.Tokenizer, partial, precisions);
            Directory.Delete(output, recursive: true);
            Directory.Move(partial, output);
        }
        finally
        {
            if (Directory.Exists(partial))
            {
                Directory.Delete(partial, recursive: true);
            }
        }

        foreach (var file in Directory.EnumerateFiles(output, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            Console.Out.WriteLine($"{file} ({NumberText.Size(new FileInfo(file).Length)})");
        }
    }
}
