using System.ComponentModel.DataAnnotations;
using Cgn.Nswag;

/// <summary>A shop over the client that NSwag generates, which throws an exception with the problem in it.</summary>
class NswagShop(string baseUrl)
{
    public async Task<Told> Validate(Call call)
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Add("Ocp-Apim-Subscription-Key", call.ApiKey);
        var client = new CgnOtpClient(http) { BaseUrl = baseUrl };
        var body = new ValidateOtpRequest { Otp_code = call.Code, Invalidate_otp = call.Use };
        try
        {
            var valid = Validated(await client.ValidateOtpAsync(body, idempotencyKey: call.IdempotencyKey));
            return new(200, nameof(ValidOtp), null, valid.Discount_id);
        }
        catch (ApiException<ValidationRequestProblem> refused)
        {
            var problem = Validated(refused.Result);
            return new(refused.StatusCode, nameof(ValidationRequestProblem), problem.Type, problem.Detail);
        }
        catch (ApiException<UnauthorizedProblem> refused)
        {
            var problem = Validated(refused.Result);
            return new(refused.StatusCode, nameof(UnauthorizedProblem), problem.Type, problem.Detail);
        }
        catch (ApiException<RefusedOtpProblem> refused)
        {
            var problem = Validated(refused.Result);
            return new(refused.StatusCode, nameof(RefusedOtpProblem), problem.Type, problem.Detail);
        }
        catch (ApiException<OtpConflictProblem> refused)
        {
            var problem = Validated(refused.Result);
            return new(refused.StatusCode, nameof(OtpConflictProblem), problem.Type, problem.Detail);
        }
        catch (ApiException<ServiceUnavailableProblem> refused)
        {
            var problem = Validated(refused.Result);
            return new(refused.StatusCode, nameof(ServiceUnavailableProblem), problem.Type, problem.Detail);
        }
    }

    /// <summary>Checks an answer as ASP.NET does, by the attributes that NSwag makes of patterns and bounds.</summary>
    private static T Validated<T>(T answer) where T : class
    {
        Validator.ValidateObject(answer, new ValidationContext(answer), validateAllProperties: true);
        return answer;
    }
}
