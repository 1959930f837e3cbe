using System.Text.Json;
using System.Text.Json.Serialization;

namespace NotebookRunner.Kernel;

/// <summary>What the parent asks of the kernel process: one JSON object per line.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(RunCell), "run")]
[JsonDerivedType(typeof(Interrupt), "interrupt")]
[JsonDerivedType(typeof(Stop), "stop")]
internal abstract record KernelRequest
{
    /// <summary>Run one cell.</summary>
    /// <param name="Number">The cell's number in the notebook, from 1.</param>
    /// <param name="File">The name that stack traces show, for instance <c>demo.dib#cell-7.cs</c>.</param>
    /// <param name="Kernel">Who runs it, for instance <c>csharp</c>.</param>
    /// <param name="Code">The cell's text, magic commands included.</param>
    /// <param name="Answers">What to answer when the cell asks for input, by prompt.</param>
    public sealed record RunCell(int Number, string File, string Kernel, string Code, IReadOnlyDictionary<string, string> Answers) : KernelRequest;

    /// <summary>Ask the running cell to stop where it can; nothing is forced.</summary>
    public sealed record Interrupt : KernelRequest;

    /// <summary>End the process.</summary>
    public sealed record Stop : KernelRequest;
}

/// <summary>What the kernel process tells its parent, in the order in which it happened.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(Ready), "ready")]
[JsonDerivedType(typeof(StreamText), "stream")]
[JsonDerivedType(typeof(Displayed), "display")]
[JsonDerivedType(typeof(Updated), "update")]
[JsonDerivedType(typeof(Raised), "error")]
[JsonDerivedType(typeof(Done), "done")]
internal abstract record KernelEvent
{
    /// <summary>The process is up.</summary>
    public sealed record Ready(string Runtime, string System, int ProcessId) : KernelEvent;

    /// <summary>Text written to <c>stdout</c> or <c>stderr</c>.</summary>
    public sealed record StreamText(string Name, string Text) : KernelEvent;

    /// <summary>Something shown: one content per mime type. <paramref name="Id"/> is null when it cannot change any more.</summary>
    public sealed record Displayed(string? Id, Dictionary<string, string> Data, bool IsResult) : KernelEvent;

    /// <summary>New content for something shown with an id.</summary>
    public sealed record Updated(string Id, Dictionary<string, string> Data) : KernelEvent;

    /// <summary>The cell failed.</summary>
    public sealed record Raised(CellError Error) : KernelEvent;

    /// <summary>The cell is over; everything it showed has been sent.</summary>
    /// <param name="Number">The cell's number.</param>
    /// <param name="IsOk">True unless an error was raised.</param>
    /// <param name="Seconds">Compile and run time.</param>
    /// <param name="Libraries">Name and version of each assembly loaded by <c>#r</c> so far.</param>
    public sealed record Done(int Number, bool IsOk, double Seconds, Dictionary<string, string> Libraries) : KernelEvent;
}

/// <summary>Why a cell failed.</summary>
/// <param name="Name">The exception's type, or a word like <c>compile error</c>.</param>
/// <param name="Message">What happened.</param>
/// <param name="Line">The line within the cell, from 1; 0 when it cannot be told.</param>
/// <param name="Details">A stack trace, or source lines with the faults underlined.</param>
internal sealed record CellError(string Name, string Message, int Line, string Details);

/// <summary>Compact JSON for both directions.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(KernelRequest))]
[JsonSerializable(typeof(KernelEvent))]
internal sealed partial class KernelJson : JsonSerializerContext
{
    public static string Line(KernelRequest request) => JsonSerializer.Serialize(request, Default.KernelRequest);

    public static string Line(KernelEvent happened) => JsonSerializer.Serialize(happened, Default.KernelEvent);
}
