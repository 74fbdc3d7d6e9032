import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Calls an address so many times, as a service behind the gateway does; the agent makes a span of each call and hands its trace on. */
public class Calls {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int number = 0; number < Integer.parseInt(args[1]); number++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(args[0] + "/accounts/" + number)).build();
            int status = client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
            if (status != 200) throw new IllegalStateException("status " + status);
        }
    }
}
