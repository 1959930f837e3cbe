using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>
/// The long form: <c>dotnet run --project tests -- fuzz --cases 100000</c>. Each reader is tried in a process of its own, which this one watches: a case that
/// crashes it, or never ends, is noted, and another process goes on behind it.
/// </summary>
internal static class FuzzProgram
{
    /// <summary>The first argument of the long form.</summary>
    public const string Verb = "fuzz";

    /// <summary>The first argument of a process that tries one reader.</summary>
    public const string ChildVerb = "fuzz-one-reader";

    private static readonly TimeSpan s_longestCase = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_longestStart = TimeSpan.FromSeconds(60);

    public static int Start(string[] arguments)
    {
        var cases = new Option<int>("--cases") { DefaultValueFactory = _ => 100_000, Description = "Cases of all readers together" };
        var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1, Description = "Of all mutations" };
        var from = new Option<int>("--from") { Description = "The first case of each reader, to repeat one" };
        var only = new Option<string[]>("--only") { Description = "These readers alone", AllowMultipleArgumentsPerToken = true };
        var output = new Option<string>("--out") { DefaultValueFactory = _ => "fuzz-failures", Description = "Where inputs go that are not allowed to end so" };
        var command = new RootCommand("Tries every reader of files from others on spoiled inputs.") { cases, seed, from, only, output };
        command.SetAction(parsed => Run(parsed.GetValue(cases), parsed.GetValue(seed), parsed.GetValue(from), parsed.GetValue(only) ?? [],
            Path.GetFullPath(parsed.GetValue(output)!)));
        return command.Parse(arguments).Invoke();
    }

    /// <summary>A process that tries one reader: name, seed, first case, case behind the last, folder to work in, folder for failures.</summary>
    public static int StartOne(string[] arguments)
    {
        var target = FuzzTargets.Find(arguments[0]);
        var numbers = Array.ConvertAll(arguments[1..4], text => int.Parse(text, CultureInfo.InvariantCulture));
        var (root, failures) = (arguments[4], arguments[5]);
        using var protocol = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = true };
        Console.SetOut(TextWriter.Null);
        Console.SetError(TextWriter.Null);
        // The first reading of a sound input loads what the reader needs: no case is to be charged for it.
        foreach (var sound in target.Sound.Take(1))
        {
            var warm = new FuzzCase(target, numbers[0], -1, root);
            warm.Write(sound, sound.Spoiled[0], sound.Files[sound.Spoiled[0]]);
            target.Seal?.Invoke(warm.Folder);
            var read = warm.Read(s_longestStart);
            protocol.WriteLine($"= {JsonSerializer.Serialize($"{read.End} {read.Text}")}");
        }

        for (var number = numbers[1]; number < numbers[2]; number++)
        {
            var one = new FuzzCase(target, numbers[0], number, root);
            one.Write();
            protocol.WriteLine(Invariant($"> {number} {one.Spoiled}"));
            _ = ResidentMemory.TryResetPeak();
            var before = ResidentMemory.CurrentBytes;
            var start = Environment.CpuUsage.TotalTime;
            var result = one.Read(s_longestCase, isAlone: true);
            var (milliseconds, bytes) = ((long)(Environment.CpuUsage.TotalTime - start).TotalMilliseconds, Math.Max(0, ResidentMemory.PeakBytes - before));
            if (result.End != FuzzEnd.NotAllowed && bytes > FuzzCase.MostBytes)
            {
                result = new(FuzzEnd.NotAllowed, $"took {bytes >> 20} MiB of memory: {result.Text}");
            }

            if (result.End == FuzzEnd.NotAllowed)
            {
                var again = new FuzzCase(target, numbers[0], number, root);
                again.Write();
                Keep(failures, target.Name, number, again);
            }

            protocol.WriteLine(Invariant($"{(result.End == FuzzEnd.Read ? 'r' : result.End == FuzzEnd.Refused ? 'x' : '!')} {milliseconds} {bytes >> 20} ")
                + JsonSerializer.Serialize(result.Text.Length > 4_000 ? result.Text[..4_000] : result.Text));
            if (result.Text.StartsWith("still reading", StringComparison.Ordinal))
            {
                return 3;
            }
        }

        return 0;
    }

    private static int Run(int cases, int seed, int from, string[] only, string output)
    {
        var targets = only.Length == 0 ? FuzzTargets.All : [.. only.Select(FuzzTargets.Find)];
        var each = Math.Max(1, cases / targets.Count);
        Console.WriteLine($"{targets.Count} readers, {each} cases each, seed {seed}; repeat one case with --only NAME --from NUMBER --cases 1 --seed {seed}");
        Console.WriteLine($"{"reader",-18}{"tried",8}{"read",8}{"refused",9}{"not allowed",13}{"slowest, ms",13}{"most, MiB",11}{"seconds",9}");
        var total = new Tally();
        foreach (var target in targets)
        {
            var tally = Watch(target.Name, seed, from, from + each, output);
            Console.WriteLine(tally.Row(target.Name));
            foreach (var (kind, (first, count, text)) in tally.Kinds)
            {
                Console.WriteLine($"  {count} × {kind}\n    case {first}: {text.ReplaceLineEndings("\n    ")}");
            }

            total.Add(tally);
        }

        Console.WriteLine(total.Row("all"));
        return total.NotAllowed == 0 ? 0 : 1;
    }

    /// <summary>Lets processes try one reader until all its cases are done.</summary>
    private static Tally Watch(string name, int seed, int from, int to, string output)
    {
        var tally = new Tally();
        var root = Directory.CreateTempSubdirectory($"fuzz-{name}-").FullName;
        var clock = Stopwatch.StartNew();
        for (var next = from; next < to;)
        {
            string[] arguments = [ChildVerb, name, $"{seed}", $"{next}", $"{to}", Path.Combine(root, "work"), output];
            var start = new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardOutput = true };
            using var process = Process.Start(start)!;
            var (begun, spoiled, errors) = (next - 1, "", "");
            var patience = s_longestStart;
            while (Line(process, patience) is { } line)
            {
                patience = (FuzzCase.MostWaits + 1) * s_longestCase;
                if (line.StartsWith("> ", StringComparison.Ordinal))
                {
                    var parts = line.Split(' ', 3);
                    (begun, spoiled) = (int.Parse(parts[1], CultureInfo.InvariantCulture), parts[2]);
                }
                else if (line[0] is 'r' or 'x' or '!')
                {
                    tally.Count(begun, line);
                    next = begun + 1;
                }
                else if (line.StartsWith("= ", StringComparison.Ordinal) && !line.Contains("= \"Read", StringComparison.Ordinal))
                {
                    Console.WriteLine($"  {name}: the sound input is not read: {line[2..]}");
                }
            }

            var isDead = process.HasExited || process.WaitForExit(s_longestCase);
            process.Kill(entireProcessTree: true);
            if (next < to && (!isDead || process.ExitCode is not 3))
            {
                if (begun < next)
                {
                    throw new InvalidOperationException($"{name}: the process for it ended before its case {next}");
                }

                // Neither a result nor an end: it crashed, or stood still where no thread could be given up.
                tally.Count(begun, "! 0 0 " + JsonSerializer.Serialize(isDead ? $"crashed with exit code {process.ExitCode}" : "never ended"));
                var work = new FuzzCase(FuzzTargets.Find(name), seed, begun, Path.Combine(root, "work"));
                work.Write();
                Keep(output, name, begun, work);
                next = begun + 1;
            }
        }

        tally.Seconds = clock.Elapsed.TotalSeconds;
        Directory.Delete(root, recursive: true);
        return tally;
    }

    private static string? Line(Process process, TimeSpan patience)
    {
        var line = process.StandardOutput.ReadLineAsync();
        return line.Wait(patience) ? line.Result : null;
    }

    private static void Keep(string folder, string name, int number, FuzzCase one)
    {
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(one.Folder, one.Spoiled), Path.Combine(folder, $"{name}--{number}--{one.Spoiled.Replace('/', '+')}"), overwrite: true);
    }

    private sealed class Tally
    {
        private long _read, _refused, _slowest, _most;

        public long NotAllowed { get; private set; }

        public double Seconds { get; set; }

        public Dictionary<string, (int First, int Count, string Text)> Kinds { get; } = new(StringComparer.Ordinal);

        public void Count(int number, string line)
        {
            var parts = line.Split(' ', 4);
            _slowest = Math.Max(_slowest, long.Parse(parts[1], CultureInfo.InvariantCulture));
            _most = Math.Max(_most, long.Parse(parts[2], CultureInfo.InvariantCulture));
            if (line[0] == '!')
            {
                NotAllowed++;
                var text = JsonSerializer.Deserialize<string>(parts[3])!;
                var lines = text.Split('\n');
                // A kind is what was wrong and where: the first line, and the first frame of ours.
                var place = lines.FirstOrDefault(line => line.Contains("   at Notebook", StringComparison.Ordinal))?.Split(" in ")[0].Trim() ?? "";
                var kind = $"{Generalised(lines[0])} {place}";
                var (first, count, known) = Kinds.TryGetValue(kind, out var found) ? found : (number, 0, string.Join('\n', lines.Take(14)));
                Kinds[kind] = (first, count + 1, known);
            }
            else if (line[0] == 'r')
            {
                _read++;
            }
            else
            {
                _refused++;
            }
        }

        public void Add(Tally other)
        {
            (_read, _refused, NotAllowed) = (_read + other._read, _refused + other._refused, NotAllowed + other.NotAllowed);
            (_slowest, _most, Seconds) = (Math.Max(_slowest, other._slowest), Math.Max(_most, other._most), Seconds + other.Seconds);
        }

        public string Row(string name) =>
            Invariant($"{name,-18}{_read + _refused + NotAllowed,8}{_read,8}{_refused,9}{NotAllowed,13}{_slowest,13}{_most,11}{Seconds,9:0}");

        private static string Generalised(string text) => string.Concat(text.Take(160).Select(character => char.IsAsciiDigit(character) ? '0' : character));
    }
}
