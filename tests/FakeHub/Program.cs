using NotebookLib.FakeHub;

var server = await FakeHubServer.StartAsync(args.Length > 0 ? int.Parse(args[0], System.Globalization.CultureInfo.InvariantCulture) : 0);
await using (server.ConfigureAwait(false))
{
    Console.WriteLine(server.Url);
    await Task.Delay(Timeout.Infinite).ConfigureAwait(false);
}
