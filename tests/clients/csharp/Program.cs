using System.Text.Json;

// What the test gives: the generator, the service, and the calls to make. A line of JSON for each tells what the client made of it.
var calls = JsonSerializer.Deserialize<Call[]>(args[2], JsonSerializerOptions.Web) ?? [];
Func<Call, Task<Told>> make = args[0] == "kiota" ? new KiotaShop(args[1]).Validate : new NswagShop(args[1]).Validate;
foreach (var call in calls)
{
    Console.WriteLine(JsonSerializer.Serialize(await make(call), JsonSerializerOptions.Web));
}

record Call(string ApiKey, string Code, bool Use, string? IdempotencyKey);

/// <summary>The status, the class that the client made of the answer, and what its properties hold.</summary>
record Told(int Status, string Kind, string? Type, string? Text);
