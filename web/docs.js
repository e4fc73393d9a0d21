// Swagger UI, drawn from this service's own document. No validator: it would send the document's address to another host.
window.SwaggerUIBundle({
  url: "docs.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
