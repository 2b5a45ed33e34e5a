using Cgn.Kiota;
using Cgn.Kiota.Models;
using Microsoft.Kiota.Abstractions.Authentication;
using Microsoft.Kiota.Http.HttpClientLibrary;
using Microsoft.Kiota.Http.HttpClientLibrary.Middleware.Options;

/// <summary>A shop over the client that Kiota generates, which throws the problems.</summary>
class KiotaShop(string baseUrl)
{
    private readonly CgnOtpClient client = new(
        new HttpClientRequestAdapter(new AnonymousAuthenticationProvider()) { BaseUrl = baseUrl });

    public async Task<Told> Validate(Call call)
    {
        var body = new ValidateOtpRequest { OtpCode = call.Code, InvalidateOtp = call.Use };
        try
        {
            var valid = await client.Merchant.Cgn.Otp.Validate.PostAsync(body, request =>
            {
                request.Headers.Add("Ocp-Apim-Subscription-Key", call.ApiKey);
                // By itself Kiota repeats a 503 three times, and then throws an AggregateException without the problem.
                request.Options.Add(new RetryHandlerOption { ShouldRetry = (_, _, _) => false });
                if (call.IdempotencyKey is not null)
                {
                    request.Headers.Add("Idempotency-Key", call.IdempotencyKey);
                }
            });
            return new(200, nameof(ValidOtp), null, valid?.DiscountId);
        }
        // The message of each is the problem's detail.
        catch (ValidationRequestProblem problem)
        {
            return new(problem.ResponseStatusCode, nameof(ValidationRequestProblem), problem.Type, problem.Message);
        }
        catch (UnauthorizedProblem problem)
        {
            return new(problem.ResponseStatusCode, nameof(UnauthorizedProblem), problem.Type, problem.Message);
        }
        catch (RefusedOtpProblem problem)
        {
            return new(problem.ResponseStatusCode, nameof(RefusedOtpProblem), problem.Type, problem.Message);
        }
        catch (OtpConflictProblem problem)
        {
            return new(problem.ResponseStatusCode, nameof(OtpConflictProblem), problem.Type, problem.Message);
        }
        catch (ServiceUnavailableProblem problem)
        {
            return new(problem.ResponseStatusCode, nameof(ServiceUnavailableProblem), problem.Type, problem.Message);
        }
    }
}
