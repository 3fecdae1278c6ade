"""All tables, as one step; docs/adr/0023 says how a database of release 0.1.0 comes to it."""

import django.core.validators
import django.db.models.deletion
import gallery.models.fields
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Collection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True, verbose_name='name')),
                ('description', models.TextField(blank=True, verbose_name='description')),
            ],
            options={
                'verbose_name': 'collection', 'verbose_name_plural': 'collections', 'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('import', 'Import pictures'), ('embed', 'Embed pictures'), ('index', 'Build the index'), ('train', 'Train a model'), ('evaluate', 'Evaluate a model'), ('promote', 'Promote a model'), ('export', 'Export a model')], max_length=12, verbose_name='kind')),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], db_index=True, default='queued', max_length=12, verbose_name='status')),
                ('key', models.CharField(blank=True, editable=False, help_text='Names work of which one unfinished job is enough.', max_length=40, verbose_name='key')),
                ('params', models.JSONField(blank=True, default=dict, verbose_name='params')),
                ('result', models.JSONField(blank=True, default=dict, verbose_name='result')),
                ('error', gallery.models.fields.MessageField(blank=True, null=True, verbose_name='error')),
                ('is_defect', models.BooleanField(default=False, help_text='The failure was not an expected one: a defect of the program.', verbose_name='is defect')),
                ('done', models.PositiveBigIntegerField(default=0, verbose_name='done')),
                ('total', models.PositiveBigIntegerField(default=0, verbose_name='total')),
                ('message', gallery.models.fields.MessageField(blank=True, null=True, verbose_name='message')),
                ('cancel_requested', models.BooleanField(default=False, verbose_name='cancel requested')),
                ('attempt', models.PositiveSmallIntegerField(default=0, verbose_name='attempt')),
                ('token', models.UUIDField(editable=False, null=True, verbose_name='token')),
                ('lease_until', models.DateTimeField(editable=False, null=True, verbose_name='lease until')),
                ('enqueued_at', models.DateTimeField(editable=False, null=True, verbose_name='enqueued at')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL, verbose_name='created by')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('started_at', models.DateTimeField(blank=True, null=True, verbose_name='started at')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished at')),
            ],
            options={
                'verbose_name': 'job', 'verbose_name_plural': 'jobs', 'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['queued', 'running', 'succeeded', 'failed', 'cancelled'])), name='job_status_is_known'), models.UniqueConstraint(condition=models.Q(('status__in', ['queued', 'running']), models.Q(('key', ''), _negated=True)), fields=('key',), name='one_unfinished_job_per_key'), models.UniqueConstraint(models.Value(1), condition=models.Q(('kind__in', ['train', 'evaluate']), ('status', 'running')), name='one_heavy_job_at_a_time')],
            },
        ),
        migrations.CreateModel(
            name='MaintenanceTurn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('taken_at', models.DateTimeField(verbose_name='taken at')),
            ],
            options={
                'verbose_name': 'maintenance turn', 'verbose_name_plural': 'maintenance turns',
            },
        ),
        migrations.CreateModel(
            name='ResumableUpload',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name='id')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='resumable_uploads', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
                ('name', models.CharField(help_text='What the sender calls it, made harmless.', max_length=200, verbose_name='name')),
                ('size', models.PositiveBigIntegerField(verbose_name='size in bytes')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'resumable upload', 'verbose_name_plural': 'resumable uploads', 'ordering': ['-created_at'],
            },
        ),
        migrations.CreateModel(
            name='SavedQuerySet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True, verbose_name='name')),
                ('description', models.TextField(blank=True, verbose_name='description')),
                ('tolerance', models.FloatField(default=0.02, help_text='By how much a new model may be worse, 0 to 1.', validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)], verbose_name='tolerance')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL, verbose_name='created by')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'saved query set', 'verbose_name_plural': 'saved query sets', 'ordering': ['name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('tolerance__gte', 0.0), ('tolerance__lte', 1.0)), name='query_set_tolerance_is_a_share')],
            },
        ),
        migrations.CreateModel(
            name='SavedSearch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='saved_searches', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('query', models.TextField(help_text='What stands behind the question mark of its address.', verbose_name='query')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'saved search', 'verbose_name_plural': 'saved searches', 'ordering': ['name', 'id'],
                'constraints': [models.UniqueConstraint(fields=('owner', 'name'), name='saved_search_name_is_unique'), models.CheckConstraint(condition=models.Q(models.Q(('name', ''), _negated=True), models.Q(('query', ''), _negated=True)), name='saved_search_is_not_empty')],
            },
        ),
        migrations.CreateModel(
            name='Tag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, unique=True, verbose_name='name')),
            ],
            options={
                'verbose_name': 'tag', 'verbose_name_plural': 'tags', 'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='WorkerPulse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hostname', models.CharField(max_length=200, unique=True, verbose_name='hostname')),
                ('queues', models.CharField(max_length=200, verbose_name='queues')),
                ('seen_at', models.DateTimeField(verbose_name='seen at')),
            ],
            options={
                'verbose_name': 'worker pulse', 'verbose_name_plural': 'worker pulses', 'ordering': ['hostname'],
            },
        ),
        migrations.CreateModel(
            name='Image',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('file', models.FileField(max_length=200, upload_to='', verbose_name='original file')),
                ('sha256', models.CharField(editable=False, max_length=64, unique=True, verbose_name='SHA-256 of the file')),
                ('width', models.PositiveIntegerField(editable=False, help_text='Pixels, upright.', verbose_name='width')),
                ('height', models.PositiveIntegerField(editable=False, help_text='Pixels, upright.', verbose_name='height')),
                ('format', models.CharField(editable=False, max_length=8, verbose_name='format')),
                ('bytes', models.PositiveBigIntegerField(editable=False, verbose_name='size in bytes')),
                ('dominant_colour', models.CharField(blank=True, choices=[('red', 'Red'), ('orange', 'Orange'), ('yellow', 'Yellow'), ('green', 'Green'), ('teal', 'Teal'), ('blue', 'Blue'), ('purple', 'Purple'), ('pink', 'Pink'), ('brown', 'Brown'), ('white', 'White'), ('grey', 'Grey'), ('black', 'Black')], db_index=True, editable=False, help_text='The colour that stands out; empty where it was not looked for yet.', max_length=6, verbose_name='dominant colour')),
                ('placeholder', models.CharField(blank=True, editable=False, help_text='A WebP of a few pixels in base64, shown until the picture has come.', max_length=1000, verbose_name='placeholder')),
                ('title', models.CharField(blank=True, max_length=200, verbose_name='title')),
                ('source', models.CharField(blank=True, help_text='Where it came from: a file name or an import path.', max_length=300, verbose_name='source')),
                ('split', models.CharField(blank=True, choices=[('', 'None'), ('train', 'Train'), ('validation', 'Validation'), ('test', 'Test')], default='', max_length=10, verbose_name='split')),
                ('collection', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='images', to='gallery.collection', verbose_name='collection')),
                ('taken_at', models.DateTimeField(blank=True, null=True, verbose_name='taken at')),
                ('owner', models.ForeignKey(blank=True, help_text='Sees the picture even where it is private.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='owned_images', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
                ('uploader', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='uploaded_images', to=settings.AUTH_USER_MODEL, verbose_name='uploader')),
                ('job', models.ForeignKey(blank=True, editable=False, help_text='The job that imported it.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='images', to='gallery.job', verbose_name='job')),
                ('visibility', models.CharField(choices=[('public', 'Public'), ('private', 'Private')], db_index=True, default='public', max_length=8, verbose_name='visibility')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('tags', models.ManyToManyField(blank=True, related_name='images', to='gallery.tag', verbose_name='tags')),
            ],
            options={
                'verbose_name': 'image', 'verbose_name_plural': 'images', 'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('sha256__regex', '^[0-9a-f]{64}$')), name='image_sha256_is_hex'), models.CheckConstraint(condition=models.Q(('bytes__gt', 0), ('height__gt', 0), ('width__gt', 0)), name='image_has_size'), models.CheckConstraint(condition=models.Q(('visibility__in', ['public', 'private'])), name='image_visibility_is_known'), models.CheckConstraint(condition=models.Q(('split__in', ['', 'train', 'validation', 'test'])), name='image_split_is_known')],
            },
        ),
        migrations.CreateModel(
            name='JobEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('job', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='events', to='gallery.job', verbose_name='job')),
                ('at', models.DateTimeField(auto_now_add=True, verbose_name='at')),
                ('message', gallery.models.fields.MessageField(verbose_name='message')),
            ],
            options={
                'verbose_name': 'job event', 'verbose_name_plural': 'job events', 'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='JobMetric',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('job', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='metrics', to='gallery.job', verbose_name='job')),
                ('step', models.PositiveIntegerField(verbose_name='step')),
                ('epoch', models.PositiveIntegerField(default=0, verbose_name='epoch')),
                ('values', models.JSONField(default=dict, verbose_name='values')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'job metric', 'verbose_name_plural': 'job metrics', 'ordering': ['job_id', 'id'],
            },
        ),
        migrations.CreateModel(
            name='ModelVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('reference', models.CharField(help_text="'starter', a CLIP name on the hub, or a folder.", max_length=500, verbose_name='reference')),
                ('fingerprint', models.CharField(help_text='SHA-256 over weights, config and preprocessing.', max_length=64, unique=True, verbose_name='fingerprint')),
                ('dim', models.PositiveIntegerField(verbose_name='vector width')),
                ('image_size', models.PositiveIntegerField(help_text='Pixels a side that the model looks at.', verbose_name='image size')),
                ('origin', models.CharField(choices=[('registered', 'Named by its reference'), ('trained', 'Trained here'), ('imported', 'Imported from a bundle')], default='registered', max_length=10, verbose_name='origin')),
                ('parent', models.ForeignKey(blank=True, help_text='The model that training started from.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='children', to='gallery.modelversion', verbose_name='parent')),
                ('recipe', models.JSONField(blank=True, default=dict, help_text='How it was trained.', verbose_name='recipe')),
                ('data', models.JSONField(blank=True, default=dict, help_text='What it was trained on.', verbose_name='data')),
                ('verdict', models.JSONField(blank=True, default=dict, help_text='What the gate last said about it.', verbose_name='verdict')),
                ('image_fingerprint', models.CharField(blank=True, db_index=True, default='', help_text="SHA-256 of all that decides a picture's vector.", max_length=64, verbose_name='image fingerprint')),
                ('vectors_from', models.ForeignKey(blank=True, help_text="The model whose stored vectors of pictures are this one's as well.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='shares_vectors_with', to='gallery.modelversion', verbose_name='vectors from')),
                ('job', models.ForeignKey(blank=True, help_text='The job that made it.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='trained_models', to='gallery.job', verbose_name='job')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'model version', 'verbose_name_plural': 'model versions', 'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Caption',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='captions', to='gallery.image', verbose_name='image')),
                ('text', models.CharField(max_length=1000, verbose_name='text')),
                ('order', models.PositiveSmallIntegerField(default=0, verbose_name='order')),
                ('source', models.CharField(choices=[('import', 'Data set'), ('metadata', "Picture's own metadata"), ('person', 'Written here')], default='person', max_length=8, verbose_name='source')),
            ],
            options={
                'verbose_name': 'caption', 'verbose_name_plural': 'captions', 'ordering': ['image_id', 'order'],
                'constraints': [models.UniqueConstraint(fields=('image', 'order'), name='caption_order_is_unique'), models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='caption_is_not_empty')],
            },
        ),
        migrations.CreateModel(
            name='EmbeddingPlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('job', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='embedding_plan', to='gallery.job', verbose_name='job')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='gallery.modelversion', verbose_name='model version')),
                ('handed_out', models.BigIntegerField(default=0, help_text='Pictures up to this id have been given to a worker.', verbose_name='handed out')),
                ('total', models.PositiveBigIntegerField(default=0, verbose_name='total')),
                ('embedded', models.PositiveBigIntegerField(default=0, verbose_name='embedded')),
                ('failed', models.PositiveBigIntegerField(default=0, verbose_name='failed')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'embedding plan', 'verbose_name_plural': 'embedding plans',
            },
        ),
        migrations.CreateModel(
            name='Evaluation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='evaluations', to='gallery.modelversion', verbose_name='model version')),
                ('protocol', models.CharField(max_length=40, verbose_name='protocol')),
                ('dataset', gallery.models.fields.MessageField(help_text='What the pictures are called.', verbose_name='dataset')),
                ('data_sha256', models.CharField(help_text='Over pictures and captions.', max_length=64, verbose_name='data sha256')),
                ('queries', models.PositiveIntegerField(verbose_name='queries')),
                ('gallery', models.PositiveIntegerField(verbose_name='pictures in the gallery')),
                ('metrics', models.JSONField(default=dict, verbose_name='metrics')),
                ('composition', models.JSONField(blank=True, default=dict, verbose_name='composition')),
                ('outcomes', models.JSONField(blank=True, default=list, help_text='What each query found.', verbose_name='outcomes')),
                ('job', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='evaluations', to='gallery.job', verbose_name='job')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'evaluation', 'verbose_name_plural': 'evaluations', 'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Failure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stage', models.CharField(choices=[('import', 'Import'), ('embed', 'Embedding')], max_length=8, verbose_name='stage')),
                ('item', models.CharField(help_text='File name or picture.', max_length=300, verbose_name='item')),
                ('reason', gallery.models.fields.MessageField(verbose_name='reason')),
                ('attempts', models.PositiveSmallIntegerField(default=1, verbose_name='attempts')),
                ('job', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='failures', to='gallery.job', verbose_name='job')),
                ('image', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='failures', to='gallery.image', verbose_name='image')),
                ('first_seen', models.DateTimeField(auto_now_add=True, verbose_name='first seen')),
                ('last_seen', models.DateTimeField(auto_now=True, verbose_name='last seen')),
            ],
            options={
                'verbose_name': 'failure', 'verbose_name_plural': 'failures', 'ordering': ['-last_seen', '-id'],
                'constraints': [models.UniqueConstraint(fields=('stage', 'item'), name='failure_is_listed_once')],
            },
        ),
        migrations.CreateModel(
            name='ImageEmbedding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('image', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='embeddings', to='gallery.image', verbose_name='image')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='embeddings', to='gallery.modelversion', verbose_name='model version')),
                ('vector', models.BinaryField(help_text='float32, little-endian, unit length.', verbose_name='vector')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'image embedding', 'verbose_name_plural': 'image embeddings',
                'indexes': [models.Index(fields=['model_version', 'id'], name='embedding_tail')],
                'constraints': [models.UniqueConstraint(fields=('image', 'model_version'), name='one_embedding_per_model')],
            },
        ),
        migrations.CreateModel(
            name='IndexVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='index_versions', to='gallery.modelversion', verbose_name='model version')),
                ('store', models.CharField(help_text='The kind of place in which it is kept.', max_length=32, verbose_name='store')),
                ('location', models.CharField(help_text='Its name in that place.', max_length=100, unique=True, verbose_name='location')),
                ('count', models.PositiveBigIntegerField(verbose_name='vectors')),
                ('watermark', models.PositiveBigIntegerField(help_text='Embedding rows up to this id are in the index; later ones are searched beside.', verbose_name='watermark')),
                ('manifest', models.JSONField(default=dict, verbose_name='manifest')),
                ('is_active', models.BooleanField(default=False, editable=False, verbose_name='is active')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('activated_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='activated at')),
            ],
            options={
                'verbose_name': 'index version', 'verbose_name_plural': 'index versions', 'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_active', True)), fields=('is_active',), name='one_active_index')],
            },
        ),
        migrations.CreateModel(
            name='SavedQuery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('query_set', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='queries', to='gallery.savedqueryset', verbose_name='query set')),
                ('text', models.CharField(max_length=1000, verbose_name='text')),
                ('order', models.PositiveSmallIntegerField(default=0, verbose_name='order')),
                ('relevant', models.ManyToManyField(related_name='saved_queries', to='gallery.image', verbose_name='relevant')),
            ],
            options={
                'verbose_name': 'saved query', 'verbose_name_plural': 'saved queries', 'ordering': ['query_set_id', 'order', 'id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='saved_query_is_not_empty')],
            },
        ),
        migrations.CreateModel(
            name='EmbeddingChunk',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='chunks', to='gallery.embeddingplan', verbose_name='plan')),
                ('first', models.BigIntegerField(verbose_name='first')),
                ('last', models.BigIntegerField(verbose_name='last')),
                ('token', models.UUIDField(default=uuid.uuid4, verbose_name='token')),
                ('lease_until', models.DateTimeField(help_text='Nothing where it was given back.', null=True, verbose_name='lease until')),
                ('worker', models.CharField(max_length=200, verbose_name='worker')),
                ('deaths', models.PositiveSmallIntegerField(default=0, help_text='Owners that were lost while they had it.', verbose_name='deaths')),
                ('done', models.PositiveIntegerField(default=0, help_text='Pictures that are encoded and not stored yet.', verbose_name='done')),
            ],
            options={
                'verbose_name': 'embedding chunk', 'verbose_name_plural': 'embedding chunks',
            },
        ),
        migrations.CreateModel(
            name='Promotion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('promotion', 'Promotion'), ('rollback', 'Rollback')], default='promotion', max_length=10, verbose_name='kind')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='promotions', to='gallery.modelversion', verbose_name='model version')),
                ('former_model', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='gallery.modelversion', verbose_name='former model')),
                ('index_version', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='promotions', to='gallery.indexversion', verbose_name='index version')),
                ('former_index', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='gallery.indexversion', verbose_name='former index')),
                ('verdict', models.JSONField(blank=True, default=dict, verbose_name='verdict')),
                ('override_reason', models.TextField(blank=True, verbose_name='override reason')),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL, verbose_name='created by')),
                ('job', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='promotions', to='gallery.job', verbose_name='job')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'promotion', 'verbose_name_plural': 'promotions', 'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='RecallTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('index_version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='recall_tallies', to='gallery.indexversion', verbose_name='index version')),
                ('hour', models.DateTimeField(verbose_name='hour')),
                ('searches', models.PositiveIntegerField(default=0, verbose_name='searches')),
                ('wanted', models.PositiveIntegerField(default=0, help_text='Pictures that exact search found.', verbose_name='wanted')),
                ('found', models.PositiveIntegerField(default=0, help_text='Those of them that were answered.', verbose_name='found')),
            ],
            options={
                'verbose_name': 'recall tally', 'verbose_name_plural': 'recall tallies', 'ordering': ['-hour'],
                'constraints': [models.UniqueConstraint(fields=('index_version', 'hour'), name='one_recall_tally_an_hour')],
            },
        ),
    ]
