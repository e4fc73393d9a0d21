// Swagger UI for this service's OpenAPI document. The validator is off because it would send the
// document's address to another host.
window.SwaggerUIBundle({
  url: "docs.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
