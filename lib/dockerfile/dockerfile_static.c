/* Files, served by nginx that needs no privilege: everything it writes is under /tmp. Names that begin with a
 * dot are not served, but /.well-known is. */
#include "dockerfile_internal.h"

#include <string.h>

static const char configuration_head[] = "worker_processes 2;\n"
										 "pid /tmp/nginx.pid;\n"
										 "error_log stderr warn;\n"
										 "events { worker_connections 1024; }\n"
										 "http {\n"
										 "  include /etc/nginx/mime.types;\n"
										 "  default_type application/octet-stream;\n"
										 "  access_log /dev/stdout;\n"
										 "  client_body_temp_path /tmp/client;\n"
										 "  proxy_temp_path /tmp/proxy;\n"
										 "  fastcgi_temp_path /tmp/fastcgi;\n"
										 "  uwsgi_temp_path /tmp/uwsgi;\n"
										 "  scgi_temp_path /tmp/scgi;\n"
										 "  sendfile on;\n"
										 "  server_tokens off;\n"
										 "  absolute_redirect off;\n"
										 "  gzip on;\n"
										 "  gzip_types text/css text/javascript application/javascript "
										 "application/json application/wasm image/svg+xml;\n"
										 "  server {\n";

void dockerfile_static_run(struct dockerfile_writer *writer, bool built)
{
	const struct dockerfile_input *input = writer->input;
	const char *folder = input->output_dir ? input->output_dir : ".";
	HC_AUTO_TEXT configuration = {0};
	HC_AUTO_TEXT source = {0};

	hc_text_append(&configuration, configuration_head);
	hc_text_printf(&configuration,
				   "    listen %d;\n"
				   "    root /srv;\n"
				   "    index index.html;\n"
				   "    location ~ /\\.(?!well-known(/|$)) { return 404; }\n"
				   "    location / { try_files $uri $uri.html $uri/ %s; }\n"
				   "    error_page 404 /404.html;\n"
				   "  }\n"
				   "}\n",
				   writer->port, input->spa ? "/index.html" : "=404");
	hc_text_append(&writer->text, "FROM nginx:stable-alpine\n");
	dockerfile_run(writer, hc_arena_printf(writer->arena, "printf %%s '%s' >/etc/nginx/nginx.conf",
										   hc_text_string(&configuration)));
	/* The slash at the end: what is in the folder, not the folder. */
	hc_text_printf(&source, "%s%s/", built ? "/app/" : "", folder);
	hc_text_printf(&writer->text, "COPY %s[", built ? "--from=build " : "");
	dockerfile_json_string(&writer->text, hc_text_string(&source));
	hc_text_printf(&writer->text,
				   ",\"/srv/\"]\n"
				   "ENV PORT=%d\nUSER %d:%d\nEXPOSE %d\nSTOPSIGNAL SIGQUIT\n"
				   "ENTRYPOINT []\nCMD [\"nginx\",\"-g\",\"daemon off;\"]\n",
				   writer->port, DOCKERFILE_USER, DOCKERFILE_USER, writer->port);
}
